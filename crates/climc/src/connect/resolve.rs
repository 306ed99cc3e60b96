//! Which of several sayings counts.
//!
//! Options before environment before file; but a file that was named on the command line comes before the environment, because whoever names
//! it means it. A secret goes only to the service that it was written down for: where its own layer names another identity service than the
//! one that counts, it is not used.

use std::collections::BTreeMap;

use types::Secret;

/// Variables by name, of one source.
pub type Layer = BTreeMap<String, String>;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub auth_url: Option<String>,
    pub user: Option<String>,
    pub domain: Option<String>,
    pub project: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub region_url: Option<String>,
    pub region_name: Option<String>,
    pub ca: Option<String>,
}

/// `named`: the file was named on the command line.
pub fn resolve(options: Layer, environment: Layer, file: Layer, named: bool) -> Settings {
    let layers = if named { [options, file, environment] } else { [options, environment, file] };
    let first = |key: &str| layers.iter().find_map(|layer| layer.get(key).cloned());
    let auth_url = first("OS_AUTH_URL");
    let region_url = first("LIFEBOAT_REGION_URL");
    let user = first("OS_USERNAME");
    let agrees = |own: Option<&String>, counts: &Option<String>| own.is_none() || own == counts.as_ref();
    let secret = |key: &str, whose: &dyn Fn(&Layer) -> bool| {
        let layer = layers.iter().find(|layer| layer.contains_key(key) && whose(layer))?;
        layer.get(key).map(Secret::new)
    };
    let to_this_service = |layer: &Layer| agrees(layer.get("OS_AUTH_URL"), &auth_url);
    Settings {
        password: secret("OS_PASSWORD", &|layer| to_this_service(layer) && agrees(layer.get("OS_USERNAME"), &user)),
        token: secret("LIFEBOAT_TOKEN", &|layer| {
            to_this_service(layer) && agrees(layer.get("LIFEBOAT_REGION_URL"), &region_url)
        }),
        domain: first("OS_DOMAIN_NAME"),
        project: first("OS_PROJECT_NAME"),
        region_name: first("OS_REGION_NAME"),
        ca: first("OS_CACERT"),
        auth_url,
        region_url,
        user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(pairs: &[(&str, &str)]) -> Layer {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
    fn password(settings: &Settings) -> Option<&str> {
        settings.password.as_ref().map(Secret::expose)
    }

    #[test]
    fn the_nearest_saying_counts() {
        let options = layer(&[("OS_PROJECT_NAME", "p1")]);
        let environment = layer(&[("OS_AUTH_URL", "a"), ("OS_PROJECT_NAME", "p2"), ("OS_PASSWORD", "x")]);
        let file =
            layer(&[("OS_AUTH_URL", "a"), ("OS_USERNAME", "u"), ("OS_PASSWORD", "y"), ("OS_PROJECT_NAME", "p3")]);
        let settings = resolve(options.clone(), environment.clone(), file.clone(), false);
        assert_eq!(settings.project.as_deref(), Some("p1"));
        assert_eq!((settings.user.as_deref(), password(&settings)), (Some("u"), Some("x")));
        assert_eq!(password(&resolve(options, environment, file, true)), Some("y"));
    }

    #[test]
    fn a_password_goes_only_where_it_belongs() {
        let file =
            layer(&[("OS_AUTH_URL", "mine"), ("OS_USERNAME", "u"), ("OS_PASSWORD", "y"), ("LIFEBOAT_TOKEN", "t")]);
        let elsewhere = resolve(layer(&[("OS_AUTH_URL", "other")]), Layer::new(), file.clone(), false);
        assert_eq!((password(&elsewhere), elsewhere.token.as_ref()), (None, None));
        let somebody_else = resolve(layer(&[("OS_USERNAME", "eve")]), Layer::new(), file.clone(), false);
        assert_eq!(password(&somebody_else), None);
        let environment = layer(&[("OS_AUTH_URL", "other"), ("OS_PASSWORD", "x")]);
        assert_eq!(password(&resolve(Layer::new(), environment, file, true)), Some("y"));
    }
}
