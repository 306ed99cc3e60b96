//! The tables of the migrations, as diesel sees them.

diesel::table! {
    hosts (id) {
        id -> Uuid,
        name -> Text,
        zone -> Text,
        endpoint -> Text,
        version -> Text,
        arch -> Text,
        accelerator -> Text,
        qemu_versions -> Jsonb,
        cpus -> Int4,
        memory_mib -> Int8,
        memory_free_mib -> Int8,
        storage_free_mib -> Int8,
        enabled -> Bool,
        last_heartbeat -> Timestamptz,
        created_at -> Timestamptz,
        offline_since -> Nullable<Timestamptz>,
        registered_at -> Timestamptz,
    }
}

diesel::table! {
    baremetal_agents (id) {
        id -> Uuid,
        name -> Text,
        zone -> Text,
        http_endpoint -> Text,
        tftp_endpoint -> Text,
        version -> Text,
        images -> Jsonb,
        enabled -> Bool,
        draining -> Bool,
        last_heartbeat -> Timestamptz,
        created_at -> Timestamptz,
        transfers -> Int4,
    }
}

diesel::table! {
    guests (id) {
        id -> Uuid,
        name -> Text,
        project -> Text,
        status -> Text,
        status_reason -> Nullable<Text>,
        power_state -> Text,
        power_changed_at -> Timestamptz,
        host_id -> Uuid,
        hypervisor -> Text,
        vcpu_count -> Int4,
        vmem_size -> Int4,
        desc -> Jsonb,
        metadata -> Jsonb,
        rescue_session_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        update_version -> Int8,
        deleted_at -> Nullable<Timestamptz>,
        description -> Text,
    }
}

diesel::table! {
    rescue_sessions (id) {
        id -> Uuid,
        guest_id -> Uuid,
        state -> Text,
        image -> Jsonb,
        disk_mode -> Text,
        reason -> Nullable<Text>,
        user_name -> Text,
        prior_status -> Text,
        stop_how -> Nullable<Text>,
        stop_seconds -> Nullable<Float8>,
        ready -> Nullable<Jsonb>,
        is_ready -> Bool,
        boot -> Int4,
        credentials -> Nullable<Bytea>,
        password_shown -> Bool,
        source_sha256 -> Nullable<Text>,
        start_task_id -> Nullable<Uuid>,
        stop_task_id -> Nullable<Uuid>,
        started_at -> Timestamptz,
        ready_at -> Nullable<Timestamptz>,
        expires_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        cause -> Nullable<Text>,
        evidence -> Jsonb,
        on_expiry -> Nullable<Text>,
        overlay_end -> Nullable<Text>,
        noticed_for -> Nullable<Timestamptz>,
        ssh_host_key -> Nullable<Text>,
        network -> Text,
    }
}

diesel::table! {
    events (id) {
        id -> Int8,
        obj_type -> Text,
        obj_id -> Uuid,
        obj_name -> Text,
        action -> Text,
        success -> Bool,
        notes -> Text,
        old_status -> Nullable<Text>,
        new_status -> Nullable<Text>,
        user_name -> Text,
        project -> Text,
        source -> Nullable<Text>,
        request_id -> Nullable<Text>,
        task_id -> Nullable<Uuid>,
        ops_time -> Timestamptz,
        owner -> Text,
        seq -> Nullable<Int8>,
        prev_hash -> Nullable<Bytea>,
        hash -> Nullable<Bytea>,
    }
}

diesel::table! {
    event_chains (obj_type, obj_id) {
        obj_type -> Text,
        obj_id -> Uuid,
        seq -> Int8,
        prev_hash -> Bytea,
        hash -> Bytea,
    }
}

diesel::table! {
    domains (id) {
        id -> Uuid,
        name -> Text,
        description -> Text,
        enabled -> Bool,
        created_at -> Timestamptz,
        update_version -> Int8,
    }
}

diesel::table! {
    projects (id) {
        id -> Uuid,
        name -> Text,
        domain -> Text,
        description -> Text,
        created_at -> Timestamptz,
        update_version -> Int8,
    }
}

diesel::table! {
    roles (id) {
        id -> Uuid,
        name -> Text,
        description -> Text,
        created_at -> Timestamptz,
        update_version -> Int8,
        built_in -> Bool,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        name -> Text,
        domain -> Text,
        password_hash -> Text,
        enabled -> Bool,
        created_at -> Timestamptz,
        update_version -> Int8,
        description -> Text,
    }
}

diesel::table! {
    assignments (user_id, project_id, role) {
        user_id -> Uuid,
        project_id -> Uuid,
        role -> Text,
    }
}

diesel::table! {
    policies (id) {
        id -> Uuid,
        name -> Text,
        scope -> Text,
        roles -> Jsonb,
        rules -> Jsonb,
        enabled -> Bool,
        description -> Text,
        created_at -> Timestamptz,
        update_version -> Int8,
        built_in -> Bool,
    }
}

diesel::table! {
    tokens (hash) {
        hash -> Bytea,
        user_id -> Uuid,
        project_id -> Nullable<Uuid>,
        issued_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    idempotency_keys (user_name, key) {
        user_name -> Text,
        key -> Text,
        request -> Bytea,
        status -> Int4,
        answer -> Jsonb,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// A view.
    rescue_images (id) {
        id -> Uuid,
        name -> Text,
        version -> Text,
        serial -> Int8,
        arch -> Text,
        image -> Jsonb,
        agents -> Jsonb,
    }
}

diesel::table! {
    /// A view.
    guest_disks (id) {
        id -> Uuid,
        serial -> Text,
        index -> Nullable<Int4>,
        driver -> Text,
        format -> Text,
        size_mib -> Int8,
        image -> Nullable<Text>,
        status -> Text,
        guest_id -> Nullable<Uuid>,
        guest -> Nullable<Text>,
        project -> Text,
        host_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    detached_disks (id) {
        id -> Uuid,
        disk -> Jsonb,
        project -> Text,
        host_id -> Uuid,
        last_guest_id -> Uuid,
        status -> Text,
        attaching_to -> Nullable<Uuid>,
        created_at -> Timestamptz,
        detached_at -> Timestamptz,
    }
}

diesel::table! {
    snapshots (id) {
        id -> Uuid,
        guest_id -> Uuid,
        name -> Text,
        project -> Text,
        status -> Text,
        status_reason -> Nullable<Text>,
        description -> Text,
        disks -> Jsonb,
        running -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    console_tickets (hash) {
        hash -> Bytea,
        guest_id -> Uuid,
        kind -> Text,
        user_name -> Text,
        project -> Text,
        expires_at -> Timestamptz,
        token_hash -> Nullable<Bytea>,
        caller -> Nullable<Jsonb>,
        ends_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    task_progress (task_id) {
        task_id -> Uuid,
        operation -> Uuid,
        text -> Text,
        bytes -> Int8,
        bytes_total -> Int8,
        at -> Timestamptz,
    }
}

diesel::table! {
    rescue_examinations (id) {
        id -> Uuid,
        session_id -> Uuid,
        kind -> Text,
        user_name -> Text,
        task_id -> Uuid,
        at -> Timestamptz,
        report -> Jsonb,
    }
}

diesel::table! {
    console_recordings (id) {
        id -> Uuid,
        guest_id -> Uuid,
        guest_name -> Text,
        project -> Text,
        session_id -> Nullable<Uuid>,
        user_name -> Text,
        source -> Nullable<Text>,
        started_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
        duration_ms -> Int8,
        bytes -> Int8,
        is_whole -> Bool,
        written_at -> Timestamptz,
    }
}

diesel::table! {
    console_recording_chunks (recording_id, seq) {
        recording_id -> Uuid,
        seq -> Int4,
        lines -> Text,
    }
}

diesel::joinable!(guests -> hosts (host_id));
diesel::joinable!(rescue_sessions -> guests (guest_id));
diesel::joinable!(snapshots -> guests (guest_id));
diesel::joinable!(tokens -> users (user_id));
diesel::joinable!(tokens -> projects (project_id));
diesel::joinable!(assignments -> users (user_id));
diesel::joinable!(assignments -> projects (project_id));
diesel::allow_tables_to_appear_in_same_query!(hosts, guests, rescue_sessions, snapshots);
diesel::allow_tables_to_appear_in_same_query!(users, tokens, projects, assignments, domains);
