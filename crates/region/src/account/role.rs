//! Roles. The built-in ones are listed too, and stay as they are: see [`crate::policy::builtin`].

use api::account::{self as contract, DeleteRole, Described, RoleCreate, Roles};
use chrono::Utc;
use db::Conn;
use db::filter::{Column, Page};
use db::policy::Role;
use types::id::RoleId;

use crate::app::App;
use crate::dispatch::{Create, Created, Cx, Done, List, Model, Perform, Registry, Update};
use crate::error::{Error, Result};

const KIND: &str = "role";

pub fn register(registry: &mut Registry) {
    registry.resource::<Role>().create().update().delete::<DeleteRole>();
}

impl Model for Role {
    type Api = Roles;
    const SERVICE: &'static str = "identity";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::policy::find_role(conn, ident).await?.ok_or_else(|| Error::not_found(KIND, ident))
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<contract::Role> {
        Ok(view(self))
    }
    crate::dispatch::model::known_by_columns!(versioned);
}

impl List for Role {
    const COLUMNS: &'static [Column] = db::policy::ROLE_COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::Role>, i64)> {
        let (rows, total) = db::policy::list_roles(conn, page).await?;
        Ok((rows.into_iter().map(view).collect(), total))
    }
}

fn view(role: Role) -> contract::Role {
    contract::Role {
        id: role.id,
        name: role.name,
        description: role.description,
        built_in: role.built_in,
        created_at: role.created_at,
        update_version: role.update_version,
    }
}

impl Create for Role {
    type Body = RoleCreate;

    async fn create(body: RoleCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        super::check_name(&body.name)?;
        super::check_description(&body.description)?;
        let role = Role {
            id: RoleId::generate(),
            name: body.name,
            description: body.description,
            created_at: Utc::now(),
            update_version: 0,
            built_in: false,
        };
        db::policy::insert_role(cx.conn, &role).await.map_err(|e| super::taken(KIND, &role.name, e))?;
        super::log(KIND, role.id.uuid(), &role.name, "create", String::new(), cx).await?;
        Ok(Created { model: role, task: None })
    }
}

impl Update for Role {
    type Body = Described;

    async fn update(self, body: Described, cx: &mut Cx<'_>) -> Result<()> {
        if self.built_in {
            return Err(super::built_in(KIND, &self.name));
        }
        let description = body.description.unwrap_or(self.description);
        super::check_description(&description)?;
        db::policy::describe_role(cx.conn, self.id, &description).await?;
        super::log(KIND, self.id.uuid(), &self.name, "update", String::new(), cx).await
    }
}

impl Perform<DeleteRole> for Role {
    async fn perform(self, _: DeleteRole, cx: &mut Cx<'_>) -> Result<Done<DeleteRole>> {
        if self.built_in {
            return Err(super::built_in(KIND, &self.name));
        }
        super::log(KIND, self.id.uuid(), &self.name, "delete", String::new(), cx).await?;
        db::policy::delete_role(cx.conn, &self).await?;
        Ok(Done::nothing())
    }
}
