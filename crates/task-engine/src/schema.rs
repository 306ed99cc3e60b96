//! The tables as diesel sees them. A test compares them with the migrated database.

macro_rules! of_tasks {
    ($(#[$about:meta])* $name:ident) => {
        diesel::table! {
            $(#[$about])*
            $name (id) {
                id -> Uuid,
                name -> Text,
                data -> Jsonb,
                state -> Text,
                stage -> Jsonb,
                stage_name -> Text,
                stage_started -> Timestamptz,
                stage_deadline -> Timestamptz,
                attempts -> Integer,
                last_error -> Nullable<Jsonb>,
                obj_type -> Nullable<Text>,
                obj_id -> Nullable<Uuid>,
                holds -> Bool,
                parent_id -> Nullable<Uuid>,
                open_children -> Integer,
                request_id -> Nullable<Text>,
                created_by -> Nullable<Jsonb>,
                operation -> Uuid,
                sequence -> BigInt,
                outcome -> Nullable<Jsonb>,
                generation -> BigInt,
                lease_until -> Nullable<Timestamptz>,
                worker -> Nullable<Text>,
                run_at -> Timestamptz,
                cause -> Nullable<Jsonb>,
                failing -> Nullable<Jsonb>,
                cancel_requested -> Bool,
                result -> Nullable<Jsonb>,
                history -> Jsonb,
                created_at -> Timestamptz,
                ended_at -> Nullable<Timestamptz>,
                traceparent -> Nullable<Text>,
            }
        }
    };
}

of_tasks!(
    /// One row is one task. The comments are in the migration.
    tasks
);
of_tasks!(
    /// Tasks that have ended, where they are kept: the same columns.
    tasks_archive
);
