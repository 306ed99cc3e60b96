// Made by `npm run api` from crates/region/openapi.json; not to be changed by hand.
export interface paths {
    "/actions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List actions */
        get: operations["action_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/actions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one action */
        get: operations["action_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/archivedtasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List archivedtasks */
        get: operations["archivedtask_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/archivedtasks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one archivedtask */
        get: operations["archivedtask_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Log in from a browser: sets the session's cookie */
        post: operations["auth_login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the session: its token is revoked, its cookie cleared */
        post: operations["auth_logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/project": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Change the session's project: another cookie, another X-CSRF-Token */
        post: operations["auth_project"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The browser's session, and the value for X-CSRF-Token */
        get: operations["auth_session"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/baremetalagents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List baremetalagents */
        get: operations["baremetalagent_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/baremetalagents/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one baremetalagent */
        get: operations["baremetalagent_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/baremetalagents/{id}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let no rescue download from a baremetal agent */
        post: operations["baremetalagent_perform_disable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/baremetalagents/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let rescues download from a baremetal agent */
        post: operations["baremetalagent_perform_enable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consolerecordings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List consolerecordings */
        get: operations["consolerecording_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consolerecordings/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one consolerecording */
        get: operations["consolerecording_get"];
        put?: never;
        post?: never;
        /** Erase a recording before its time; that it was there stays in the log */
        delete: operations["consolerecording_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/consolerecordings/{id}/cast": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What it showed, as asciicast v2; looking at it leaves an event on its server */
        get: operations["consolerecording_get_cast"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/disks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List disks */
        get: operations["disk_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/disks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one disk */
        get: operations["disk_get"];
        put?: never;
        post?: never;
        /** Delete a detached disk, with all that is on it */
        delete: operations["disk_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/domains": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List domains */
        get: operations["domain_list"];
        put?: never;
        /** Create a domain */
        post: operations["domain_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/domains/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one domain */
        get: operations["domain_get"];
        put?: never;
        post?: never;
        /** Delete a domain that has neither users nor projects */
        delete: operations["domain_delete"];
        options?: never;
        head?: never;
        /** Change a domain */
        patch: operations["domain_update"];
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List events */
        get: operations["event_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one event */
        get: operations["event_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List hosts */
        get: operations["host_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one host */
        get: operations["host_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts/{id}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Place nothing new on a host; what runs there goes on */
        post: operations["host_perform_disable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let new servers and rescues be placed on a host */
        post: operations["host_perform_enable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts/{id}/ping": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a host now whether it answers, and how fast */
        post: operations["host_perform_ping"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hosts/{id}/unknown-guests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Guests that it has and region does not know; they are shown, never touched */
        get: operations["host_get_unknown-guests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List policies */
        get: operations["policy_list"];
        put?: never;
        /** Create a policy */
        post: operations["policy_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/policies/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one policy */
        get: operations["policy_get"];
        put?: never;
        post?: never;
        /** Delete a policy */
        delete: operations["policy_delete"];
        options?: never;
        head?: never;
        /** Change a policy */
        patch: operations["policy_update"];
        trace?: never;
    };
    "/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List projects */
        get: operations["project_list"];
        put?: never;
        /** Create a project */
        post: operations["project_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/projects/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one project */
        get: operations["project_get"];
        put?: never;
        post?: never;
        /** Delete a project that owns no server */
        delete: operations["project_delete"];
        options?: never;
        head?: never;
        /** Change a project */
        patch: operations["project_update"];
        trace?: never;
    };
    "/projects/{id}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give users roles in a project */
        post: operations["project_perform_join"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/projects/{id}/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take roles in a project from users */
        post: operations["project_perform_leave"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescueimages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List rescueimages */
        get: operations["rescueimage_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescueimages/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one rescueimage */
        get: operations["rescueimage_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescuesessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List rescuesessions */
        get: operations["rescuesession_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescuesessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one rescuesession */
        get: operations["rescuesession_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescuesessions/{id}/diagnosis": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the rescue system found, and what was repaired since */
        get: operations["rescuesession_get_diagnosis"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescuesessions/{id}/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where it stands, what was seen, what to do next */
        get: operations["rescuesession_get_explain"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rescuesessions/{id}/extend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give an open rescue session more time, or less */
        post: operations["rescuesession_perform_extend"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/roles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List roles */
        get: operations["role_list"];
        put?: never;
        /** Create a role */
        post: operations["role_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/roles/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one role */
        get: operations["role_get"];
        put?: never;
        post?: never;
        /** Delete a role, and take it from whoever has it */
        delete: operations["role_delete"];
        options?: never;
        head?: never;
        /** Change a role */
        patch: operations["role_update"];
        trace?: never;
    };
    "/servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List servers */
        get: operations["server_list"];
        put?: never;
        /** Create a server */
        post: operations["server_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/rescue-repair": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Repair many servers automatically, a few at a time */
        post: operations["server_perform_rescue_repair_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/start-rescue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Boot many servers into the rescue system, a few at a time */
        post: operations["server_perform_start_rescue_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one server */
        get: operations["server_get"];
        put?: never;
        post?: never;
        /** Delete a server and its disks */
        delete: operations["server_delete"];
        options?: never;
        head?: never;
        /** Change a server */
        patch: operations["server_update"];
        trace?: never;
    };
    "/servers/{id}/attach-disk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a server a detached disk, or a new one */
        post: operations["server_perform_attach_disk"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/attach-network": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a server another network card */
        post: operations["server_perform_attach_network"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/change-config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a server other processors, memory, screen or QEMU */
        post: operations["server_perform_change_config"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/console": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The serial console: binary frames are its bytes, both ways */
        get: operations["server_perform_console"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/console-ticket": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Get a ticket that opens a server's console once, within a minute */
        post: operations["server_perform_console_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/create-snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keep all of a server's disks as they are now */
        post: operations["server_perform_create_snapshot"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/desc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its description, as its host has it now */
        get: operations["server_get_desc"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/detach-disk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take a disk from a server; what is on it stays */
        post: operations["server_perform_detach_disk"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/detach-network": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take a network card from a server */
        post: operations["server_perform_detach_network"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/disks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its disks */
        get: operations["server_get_disks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/eject-iso": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take the ISO image out of a server's drive */
        post: operations["server_perform_eject_iso"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/insert-iso": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put an ISO image into a server's drive */
        post: operations["server_perform_insert_iso"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its metadata */
        get: operations["server_get_metadata"];
        put?: never;
        /** Set some of a server's metadata; an empty value removes its key */
        post: operations["server_perform_metadata"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/rescue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its last rescue session */
        get: operations["server_get_rescue"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/rescue-diagnose": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Look, from inside the rescue system and read-only, for what keeps the server from booting */
        post: operations["server_perform_rescue_diagnose"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/rescue-repair": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Repair a server from inside the rescue system, beside its disks; stop-rescue, or auto, commits or discards */
        post: operations["server_perform_rescue_repair"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Press a server's reset button: what is in its memory is lost */
        post: operations["server_perform_reset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/resize-disk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make one of a server's disks larger */
        post: operations["server_perform_resize_disk"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/restart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Power a server off, gently unless forced, and boot it again; in rescue: the rescue system */
        post: operations["server_perform_restart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a suspended server go on */
        post: operations["server_perform_resume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/revert-snapshot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put all of a server's disks back to what they were; what was written since is lost */
        post: operations["server_perform_revert_snapshot"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/set-metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Replace all of a server's metadata */
        post: operations["server_perform_set_metadata"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Boot a server from its own disks */
        post: operations["server_perform_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/start-rescue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Boot a server, with its own disks, into the rescue system */
        post: operations["server_perform_start_rescue"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Status and power state */
        get: operations["server_get_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Power a server off, gently unless forced */
        post: operations["server_perform_stop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/stop-rescue": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Leave rescue: the server goes back exactly as it was */
        post: operations["server_perform_stop_rescue"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/suspend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a server stand still, with all that is in its memory */
        post: operations["server_perform_suspend"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/syncstatus": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a server's host now how it is, and let its status follow */
        post: operations["server_perform_syncstatus"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Its tasks, newest first */
        get: operations["server_get_tasks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/servers/{id}/vnc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The screen: binary frames are bytes of the VNC protocol (RFC 6143), both ways */
        get: operations["server_perform_vnc"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/snapshots": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List snapshots */
        get: operations["snapshot_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/snapshots/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one snapshot */
        get: operations["snapshot_get"];
        put?: never;
        post?: never;
        /** Forget a snapshot */
        delete: operations["snapshot_delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Changes as they commit, as server-sent events: `server`, `task`, `event` with what GET answers; `ready` when all that was missed has been sent; `reset`: list again; `error`: why it ends. Resumes after Last-Event-ID */
        get: operations["stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List tasks */
        get: operations["task_list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one task */
        get: operations["task_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{id}/abandon": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give up a blocked task: its server goes to the failed status of what was being done */
        post: operations["task_perform_abandon"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a task to stop and go its way back, where its stage allows */
        post: operations["task_perform_cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/tasks/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a blocked task go on from the stage where it stands */
        post: operations["task_perform_retry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List users */
        get: operations["user_list"];
        put?: never;
        /** Create a user */
        post: operations["user_create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show one user */
        get: operations["user_get"];
        put?: never;
        post?: never;
        /** Delete a user; its tokens end */
        delete: operations["user_delete"];
        options?: never;
        head?: never;
        /** Change a user */
        patch: operations["user_update"];
        trace?: never;
    };
    "/users/{id}/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Shut a user out; its tokens end */
        post: operations["user_perform_disable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a user log in */
        post: operations["user_perform_enable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}/set-password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set a user's password; tokens issued before end */
        post: operations["user_perform_set_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description `POST /tasks/{id}/abandon`: for a blocked task. */
        Abandon: Record<string, never>;
        ActionLog: {
            action: string;
            /** Format: int64 */
            id: number;
            /** @description The address the request came from. */
            ip?: string | null;
            notes: string;
            /** Format: uuid */
            obj_id: string;
            obj_name: string;
            obj_type: string;
            /**
             * Format: date-time
             * @description When it happened; upstream also knows when it began, which for us is the task's.
             */
            ops_time: string;
            request_id?: string | null;
            /** @description The part that wrote it: `compute`, or `identity`. */
            service: string;
            /** @description `INFO`, or `ERROR` for what failed. */
            severity: string;
            /** Format: date-time */
            start_time: string;
            success: boolean;
            task_id?: components["schemas"]["Id"] | null;
            /** @description The project. */
            tenant: string;
            user: string;
        };
        /** @description `POST /servers/{id}/metadata`: the body's keys are set and the others stay; an empty value removes its key. */
        AddMetadata: {
            [key: string]: string;
        };
        /** @enum {string} */
        Arch: "x86_64" | "aarch64";
        /** @description `POST /servers/{id}/attach-disk`: a detached disk, or a new one. */
        AttachDisk: {
            /** @description A detached disk on the server's host, by id or serial number; else a new one is made */
            disk_id?: string | null;
            driver?: components["schemas"]["DiskDriver"] | null;
            format?: components["schemas"]["DiskFormat"] | null;
            /** @description Of a new one: the image in the host's image folder to copy; it is empty without */
            image?: string | null;
            /**
             * Format: int64
             * @description Of a new one: its size in MiB
             */
            size?: number | null;
        };
        /** @description `POST /servers/{id}/attach-network`. */
        AttachNetwork: {
            /** @description TCP ports on the host's loopback that lead into the guest. */
            forwards?: components["schemas"]["PortForward"][];
            /** @description Six octets, `52:54:00:12:34:56`; one is made if absent. */
            mac?: string | null;
            model?: components["schemas"]["NicModel"] | null;
        };
        BaremetalAgent: {
            /** Format: date-time */
            created_at: string;
            /** @description It is going away and gets no new work. */
            draining: boolean;
            enabled: boolean;
            id: components["schemas"]["Id"];
            /** @description What it serves, as `name version`. */
            images: string[];
            /** Format: date-time */
            last_heartbeat: string;
            /** @description Base URL of its HTTP service. */
            manager_uri: string;
            name: string;
            status: components["schemas"]["Reachability"];
            /** @description host:port of its TFTP service. */
            tftp_endpoint: string;
            /**
             * Format: int32
             * @description Files it was sending when it was heard last.
             */
            transfers: number;
            version: string;
            zone: string;
        };
        /**
         * @description `POST /servers/rescue-repair`: the morning on which many servers broke in the same way. Each is repaired as with `auto`, under one task
         *     with one child for each; a child's `result` is an [`AutoRepaired`].
         */
        BatchRescueRepair: {
            /**
             * Format: int32
             * @description Begin no more once so many have failed; 0: go on whatever happens.
             */
            abort_on_failures?: number;
            /** @description Servers that all these filters find, in the language of lists: `name.startswith('web')`. */
            filter?: string[];
            /** @description Servers, by id or name. */
            ids?: string[];
            /**
             * Format: int32
             * @description At most so many at once (1 to 100).
             */
            max_parallel?: number;
            /** @description As for one server, with `auto`. */
            options?: components["schemas"]["RescueRepair"];
        };
        /** @description `POST /servers/start-rescue`: many servers at once, under one task with one child for each. */
        BatchStartRescue: {
            /**
             * Format: int32
             * @description Begin no more once so many have failed; 0: go on whatever happens.
             */
            abort_on_failures?: number;
            /** @description Servers that all these filters find, in the language of lists: `name.startswith('web')`. */
            filter?: string[];
            /** @description Servers, by id or name. */
            ids?: string[];
            /**
             * Format: int32
             * @description At most so many at once (1 to 100).
             */
            max_parallel?: number;
            /** @description As for one server. A password can't be generated: there would be nowhere to show it. */
            options?: components["schemas"]["StartRescue"];
        };
        /** @description A boot file, named by what is in it. */
        BootFile: {
            /** @description 64 lower case hex digits. */
            sha256: string;
            /**
             * Format: int64
             * @description Bytes.
             */
            size: number;
        };
        /** @description `POST /tasks/{id}/cancel`. */
        Cancel: Record<string, never>;
        /** @description `POST /servers/{id}/change-config`: what is absent stays. Processors and memory change only while the server is off. */
        ChangeConfig: {
            /** @description The version of QEMU to run it with, from the next start on; empty: its host's newest */
            qemu_version?: string | null;
            /**
             * Format: int32
             * @description Virtual processors (1 to 256)
             */
            vcpu_count?: number | null;
            /**
             * Format: int32
             * @description Memory in MiB (64 to 4194304)
             */
            vmem_size?: number | null;
            /** @description Whether it has a screen that VNC shows; a running server gets it with its next start */
            vnc?: boolean | null;
        };
        /** @description The body of `POST /auth/project`. */
        ChooseProject: {
            /** @description Its id, its name in the user's domain, or `domain/name`. */
            project: string;
        };
        /** @enum {string} */
        ConsoleKind: "console" | "vnc";
        /** @description One opened console; `GET /consolerecordings/{id}/cast` is what it showed (asciicast v2). */
        ConsoleRecording: {
            /**
             * Format: int64
             * @description Of the lines of the cast, without its header.
             */
            bytes: number;
            /** Format: int64 */
            duration_ms: number;
            /**
             * Format: date-time
             * @description Absent while it goes on.
             */
            ended_at?: string | null;
            id: components["schemas"]["Id"];
            /** @description False: it reached the limit of size, some of it was lost, or its region ended before it. */
            is_whole: boolean;
            project: string;
            server: string;
            /** @description The server may be gone; its name is that of then. */
            server_id: components["schemas"]["Id"];
            session_id?: components["schemas"]["Id"] | null;
            source?: string | null;
            /** Format: date-time */
            started_at: string;
            /** @description Who had the console open. */
            user: string;
        };
        /** @description `POST /servers/{id}/console-ticket`: what opens a console once, without a token. For browsers, whose WebSockets can't send one. */
        ConsoleTicket: {
            /** @description `console`, the serial line, or `vnc`, the screen. */
            kind: components["schemas"]["ConsoleKind"];
        };
        /** @description `POST /servers/{id}/create-snapshot`. */
        CreateSnapshot: {
            /** @description For people; at most 1024 bytes */
            description?: string;
            /** @description What to call it: 1 to 63 letters, digits, '-', '_' and '.'; unique among those of the server */
            name: string;
        };
        /** @description `DELETE /servers/{id}`. */
        Delete: Record<string, never>;
        /** @description `DELETE /consolerecordings/{id}`: for one that shows what nobody may keep. */
        DeleteConsoleRecording: Record<string, never>;
        /** @description `DELETE /disks/{id}`: of a detached one. */
        DeleteDisk: Record<string, never>;
        /** @description `DELETE /domains/{id}`. */
        DeleteDomain: Record<string, never>;
        /** @description `DELETE /policies/{id}`. */
        DeletePolicy: Record<string, never>;
        /** @description `DELETE /projects/{id}`. */
        DeleteProject: Record<string, never>;
        /** @description `DELETE /roles/{id}`. */
        DeleteRole: Record<string, never>;
        /** @description `DELETE /snapshots/{id}`. */
        DeleteSnapshot: Record<string, never>;
        /** @description `DELETE /users/{id}`. */
        DeleteUser: Record<string, never>;
        /** @description `PUT /projects/{id}` and `PUT /roles/{id}`: what is absent stays. Names stay too, because servers and policies refer to them. */
        Described: {
            /** @description What it is for */
            description?: string | null;
        };
        /** @description `POST /servers/{id}/detach-disk`: the disk keeps what is on it, and can be attached again. */
        DetachDisk: {
            /** @description The disk, by id or serial number */
            disk_id: string;
        };
        /** @description `POST /servers/{id}/detach-network`. */
        DetachNetwork: {
            /**
             * Format: int32
             * @description The card by its index
             */
            index?: number | null;
            /** @description The card by its MAC address */
            mac?: string | null;
        };
        /** @description `POST /baremetalagents/{id}/disable`. */
        DisableAgent: Record<string, never>;
        /** @description `POST /hosts/{id}/disable`. */
        DisableHost: Record<string, never>;
        /** @description `POST /users/{id}/disable`. */
        DisableUser: Record<string, never>;
        Disk: {
            /** Format: date-time */
            created_at: string;
            driver: components["schemas"]["DiskDriver"];
            format: components["schemas"]["DiskFormat"];
            host_id: components["schemas"]["Id"];
            id: components["schemas"]["Id"];
            image?: string | null;
            /** Format: int32 */
            index?: number | null;
            /** @description The serial number that the server reads. */
            name: string;
            server?: string | null;
            server_id?: components["schemas"]["Id"] | null;
            /**
             * Format: int64
             * @description MiB; 0: as large as its image.
             */
            size: number;
            status: components["schemas"]["DiskStatus"];
        };
        DiskCreate: {
            driver?: components["schemas"]["DiskDriver"] | null;
            format?: components["schemas"]["DiskFormat"] | null;
            /** @description The name of an image in the host's image folder; absent for an empty disk. */
            image?: string | null;
            /**
             * Format: int64
             * @description MiB; 0 or absent: as large as the image.
             */
            size?: number;
        };
        /** @enum {string} */
        DiskDriver: "virtio" | "scsi" | "ide" | "sata";
        /** @enum {string} */
        DiskFormat: "qcow2" | "raw";
        /** @enum {string} */
        DiskMode: "rw" | "ro" | "overlay";
        /** @enum {string} */
        DiskStatus: "in_use" | "ready" | "attaching" | "deleting" | "delete_failed";
        Domain: {
            /** Format: date-time */
            created_at: string;
            description: string;
            /** @description Of a disabled one nobody can log in, and no token works. */
            enabled: boolean;
            id: components["schemas"]["Id"];
            name: string;
            /** Format: int64 */
            update_version: number;
        };
        /** @description `POST /domains`. */
        DomainCreate: {
            /** @description What it is for */
            description?: string;
            /** @description Its name, which stays */
            name: string;
        };
        /** @description `PUT /domains/{id}`: what is absent stays. */
        DomainUpdate: {
            /** @description What it is for */
            description?: string | null;
            /** @description false: nobody of it can log in, and no token works */
            enabled?: boolean | null;
        };
        /** @description `POST /servers/{id}/eject-iso`. */
        EjectIso: {
            /**
             * Format: int32
             * @description The drive, 0 or 1 (default 0)
             */
            cdrom?: number;
        };
        /** @description `POST /baremetalagents/{id}/enable`. */
        EnableAgent: Record<string, never>;
        /** @description `POST /hosts/{id}/enable`. */
        EnableHost: Record<string, never>;
        /** @description `POST /users/{id}/enable`. */
        EnableUser: Record<string, never>;
        ErrorBody: {
            class: components["schemas"]["ErrorClass"];
            /**
             * Format: int32
             * @description The HTTP status again.
             */
            code: number;
            /** @description For people: what was wrong, and what would be right. */
            details: string;
            /** @description Quote it to whoever runs the service. */
            request_id: string;
            /** Format: date-time */
            time: string;
        };
        /** @enum {string} */
        ErrorClass: "InputParameterError" | "UnauthorizedError" | "ForbiddenError" | "ResourceNotFoundError" | "ActionNotFoundError" | "MethodNotAllowedError" | "InvalidStatusError" | "DuplicateResourceError" | "ConflictError" | "PreconditionFailedError" | "PayloadTooLargeError" | "UnsupportedMediaTypeError" | "TooManyRequestsError" | "InternalServerError" | "ServiceUnavailableError" | "OutOfResource";
        Event: {
            /** @description The verb or the moment: `start_rescue`, `power_state`. */
            action: string;
            hash?: string | null;
            /** Format: int64 */
            id: number;
            new_status?: string | null;
            /** @description What happened, or the reason of failure. */
            notes: string;
            /** Format: uuid */
            obj_id: string;
            obj_name: string;
            obj_type: string;
            old_status?: string | null;
            /** Format: date-time */
            ops_time: string;
            /** @description Lower-case hex: the hash of the event before, and its own. [`crate::event_chain`] recomputes them. */
            prev_hash?: string | null;
            project: string;
            request_id?: string | null;
            /**
             * Format: int64
             * @description Its place in the chain of its object's events, from 1; absent for those from before there were chains.
             */
            seq?: number | null;
            /** @description The address the request came from. */
            source?: string | null;
            success: boolean;
            task_id?: components["schemas"]["Id"] | null;
            user: string;
        };
        /** @description `POST /rescuesessions/{id}/extend`. */
        Extend: {
            /**
             * Format: int32
             * @description Seconds from now until the session ends by itself (300 to 2592000)
             */
            ttl: number;
        };
        /** @enum {string} */
        Firmware: "bios" | "uefi";
        /** @enum {string} */
        GuestStatus: "creating" | "create_failed" | "ready" | "starting" | "start_failed" | "running" | "stopping" | "stop_failed" | "restarting" | "suspending" | "suspend" | "suspend_failed" | "resuming" | "resume_failed" | "change_config" | "change_config_failed" | "attach_disk" | "attach_disk_failed" | "detach_disk" | "detach_disk_failed" | "disk_resize" | "disk_resize_failed" | "snapshot" | "snapshot_delete" | "snapshot_failed" | "disk_reset" | "disk_reset_failed" | "start_rescue" | "start_rescue_failed" | "rescue" | "stop_rescue" | "stop_rescue_failed" | "deleting" | "delete_failed";
        Host: {
            accelerator: string;
            arch: components["schemas"]["Arch"];
            /** Format: int32 */
            cpu_count: number;
            /** Format: date-time */
            created_at: string;
            enabled: boolean;
            endpoint: string;
            /** Format: int64 */
            guests: number;
            /**
             * Format: int64
             * @description In a rescue session.
             */
            guests_in_rescue?: number;
            /** Format: int64 */
            guests_running?: number;
            host_status: components["schemas"]["Reachability"];
            id: components["schemas"]["Id"];
            /** Format: date-time */
            last_heartbeat: string;
            /**
             * Format: int64
             * @description MiB, as of the last heartbeat.
             */
            mem_free: number;
            /**
             * Format: int64
             * @description MiB promised to its guests, running or not.
             */
            mem_promised?: number;
            /**
             * Format: int64
             * @description MiB.
             */
            mem_size: number;
            name: string;
            /**
             * Format: date-time
             * @description Since when it is silent: what its guests do is unknown meanwhile.
             */
            offline_since?: string | null;
            qemu_versions: string[];
            /**
             * Format: date-time
             * @description When its program started last.
             */
            registered_at?: string | null;
            /**
             * Format: int64
             * @description MiB free where guests live, as of the last heartbeat.
             */
            storage_free: number;
            /**
             * Format: int64
             * @description Processors promised to its guests.
             */
            vcpu_promised?: number;
            version: string;
            zone: string;
        };
        /** Format: uuid */
        Id: string;
        /** @description `POST /servers/{id}/insert-iso`. */
        InsertIso: {
            /**
             * Format: int32
             * @description The drive, 0 or 1 (default 0). A server that is off gets the drive if it lacks it
             */
            cdrom?: number;
            /** @description The name of an ISO image in the image folder of the server's host */
            iso: string;
        };
        /** @description `POST /projects/{id}/join`. */
        JoinProject: {
            /** @description A role, by name; may be repeated */
            roles: string[];
            /** @description A user, by id or name; may be repeated */
            users: string[];
        };
        /** @description `POST /projects/{id}/leave`. */
        LeaveProject: {
            /** @description A role, by name; may be repeated */
            roles: string[];
            /** @description A user, by id or name; may be repeated */
            users: string[];
        };
        /** @description The body of `POST /auth/login`. */
        LogIn: {
            /** @description The user's domain, by name or id; else Default. */
            domain?: string | null;
            password: string;
            /** @description The project to be in: its id, its name in the user's domain, or `domain/name`; else the first that the user has a role in. */
            project?: string | null;
            username: string;
        };
        /** @enum {string} */
        Machine: "q35" | "pc";
        /** @description A role in a project. */
        Membership: {
            project: string;
            role: string;
        };
        NetCreate: {
            /** @description TCP ports on the host's loopback that lead into the guest. */
            forwards?: components["schemas"]["PortForward"][];
            mac?: string | null;
            model?: components["schemas"]["NicModel"] | null;
        };
        /** @enum {string} */
        NicModel: "virtio" | "e1000";
        /** @enum {string} */
        OverlayEnd: "commit" | "discard";
        /** @description `POST /hosts/{id}/ping`. */
        PingHost: Record<string, never>;
        Policy: {
            /** @description Part of the program: can't be changed. */
            built_in?: boolean;
            /** Format: date-time */
            created_at: string;
            description: string;
            enabled: boolean;
            id: components["schemas"]["Id"];
            name: string;
            /** @description Names of the roles it is for. */
            roles: string[];
            /** @description A tree: service, resource, action, extra; each leaf `allow` or `deny`, `*` for all that is not named. */
            rules: unknown;
            scope: components["schemas"]["Scope"];
            /** Format: int64 */
            update_version: number;
        };
        /** @description `POST /policies`. */
        PolicyCreate: {
            description?: string;
            /** @description Absent: true. */
            enabled?: boolean | null;
            name: string;
            roles: string[];
            rules: unknown;
            scope: components["schemas"]["Scope"];
        };
        /** @description `PUT /policies/{id}`: what is absent stays. */
        PolicyUpdate: {
            description?: string | null;
            enabled?: boolean | null;
            roles?: string[] | null;
            rules?: unknown;
            scope?: components["schemas"]["Scope"] | null;
        };
        /** @description A TCP port on the host's loopback that leads into the guest. */
        PortForward: {
            /** Format: int32 */
            guest_port: number;
            /** Format: int32 */
            host_port: number;
        };
        /** @enum {string} */
        PowerAfter: "previous" | "on" | "off";
        /** @enum {string} */
        PowerState: "running" | "shutoff" | "paused" | "unknown";
        Project: {
            /** Format: date-time */
            created_at: string;
            description: string;
            domain: string;
            id: components["schemas"]["Id"];
            name: string;
            /** Format: int64 */
            update_version: number;
        };
        /** @description `POST /projects`. */
        ProjectCreate: {
            /** @description What it is for */
            description?: string;
            /** @description The domain it belongs to; absent: the caller's own */
            domain?: string | null;
            /** @description Its name, which stays */
            name: string;
        };
        /** @enum {string} */
        Reachability: "online" | "offline";
        /** @description What the rescue system says of itself when it is up. */
        ReadyReport: {
            /** @description IP addresses by interface, as `eth0 10.0.2.15/24`. */
            addresses: string[];
            /** Format: int32 */
            boot: number;
            /** @description The guest's disks, in the kernel's order. */
            disks: components["schemas"]["SeenDisk"][];
            /** @description Name and version from `/etc/lifeboat-release`. */
            image: string;
            /** @description `uname -r`. */
            kernel: string;
            nonce: string;
            session: components["schemas"]["Id"];
            /** @description SHA-256 fingerprint of the SSH host key, as `ssh-keygen -l` prints it (`SHA256:...`); absent without SSH. */
            ssh_fingerprint?: string | null;
            /** @description The SSH host key itself, one line in `known_hosts` form without the host (`ssh-ed25519 AAAA...`). */
            ssh_host_key?: string | null;
        };
        /** @description `POST /servers/{id}/rescue-diagnose`. */
        RescueDiagnose: Record<string, never>;
        /** @description A rescue image that baremetal agents offer. */
        RescueImage: {
            /** @description The agents that serve it. */
            agents: string[];
            arch: components["schemas"]["Arch"];
            /** @description Kernel drivers that it brings. */
            drivers: string[];
            id: components["schemas"]["Id"];
            initramfs: components["schemas"]["BootFile"];
            kernel: components["schemas"]["BootFile"];
            /** Format: int32 */
            min_memory_mib: number;
            name: string;
            /**
             * Format: int64
             * @description Of one name and version the highest is the newest.
             */
            serial: number;
            version: string;
        };
        /** @enum {string} */
        RescueNetwork: "full" | "none";
        /** @description `POST /servers/{id}/rescue-repair`. */
        RescueRepair: {
            /**
             * @description All by itself: enter rescue with disk mode overlay if need be, diagnose, do the fixes that are marked safe, boot the server on the
             *     result, and commit once it asks for a login; if it does not, throw the result away and stay in rescue
             */
            auto?: boolean;
            /** @description Say what would be done, and do nothing */
            dry_run?: boolean;
            /** @description Codes of fixes, as a diagnosis offers them; in this order (1 to 32) */
            fix?: string[];
            /**
             * Format: int32
             * @description With auto: seconds the server gets to ask for a login (30 to 3600; default 300)
             */
            max_wait?: number | null;
            /** @description With auto, for a server that is not in rescue yet: why, for the log */
            reason?: string | null;
            /** @description With auto, for a server that is not in rescue yet: the rescue image by name; else the best one for the server */
            rescue_image?: string | null;
            /** @description With auto, for a server that is not in rescue yet: a public key that may log in as root; may be repeated */
            ssh_keys?: string[];
        };
        RescueSession: {
            /** Format: int32 */
            boot: number;
            /** @description Why it failed. */
            cause?: string | null;
            disk_mode: components["schemas"]["DiskMode"];
            /** @description Disks as the rescue system sees them, with their names in it, in the server's own system, and below `/dev/disk/by-id`. */
            disks: components["schemas"]["SeenDisk"][];
            /** Format: date-time */
            ended_at?: string | null;
            evidence: string[];
            /** Format: date-time */
            expires_at: string;
            id: components["schemas"]["Id"];
            image: components["schemas"]["SessionImage"];
            /** @description True while the current boot has proven itself; a reboot inside rescue makes it false until it does again. */
            is_ready: boolean;
            /** @description What the rescue system may reach over the server's NICs, and who may reach it. */
            network?: components["schemas"]["RescueNetwork"];
            on_expiry?: components["schemas"]["OverlayEnd"] | null;
            overlay?: components["schemas"]["OverlayEnd"] | null;
            password_shown: boolean;
            /** @description The server's status before. */
            prior_status: components["schemas"]["GuestStatus"];
            ready?: components["schemas"]["ReadyReport"] | null;
            /** Format: date-time */
            ready_at?: string | null;
            reason?: string | null;
            server: string;
            server_id: components["schemas"]["Id"];
            /**
             * @description How to compare what ssh shows: `SHA256:...`. The key is made for the session before its rescue system boots, is told here from then on, and
             *     stays over reboots of the rescue system.
             */
            ssh_fingerprint?: string | null;
            /** @description For a `known_hosts` file. */
            ssh_host_key?: string | null;
            start_task_id?: components["schemas"]["Id"] | null;
            /** Format: date-time */
            started_at: string;
            state: components["schemas"]["SessionState"];
            stop_how?: components["schemas"]["StopHow"] | null;
            /** Format: double */
            stop_seconds?: number | null;
            stop_task_id?: components["schemas"]["Id"] | null;
            user: string;
        };
        /** @description `POST /servers/{id}/reset`. */
        Reset: Record<string, never>;
        /** @description `POST /servers/{id}/resize-disk`. */
        ResizeDisk: {
            /** @description The disk, by id or serial number */
            disk_id: string;
            /**
             * Format: int64
             * @description Its new size in MiB; a disk never becomes smaller
             */
            size: number;
        };
        /** @description `POST /servers/{id}/restart`. */
        Restart: {
            /** @description Do not wait for the guest: quit it at once */
            is_force?: boolean;
            /**
             * Format: int32
             * @description Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
             */
            timeout_secs?: number | null;
        };
        /** @description `POST /servers/{id}/resume`. */
        Resume: Record<string, never>;
        /** @description `POST /tasks/{id}/retry`: for a blocked task. */
        Retry: Record<string, never>;
        /** @description `POST /servers/{id}/revert-snapshot`. */
        RevertSnapshot: {
            /** @description The snapshot, by id or name */
            snapshot_id: string;
        };
        Role: {
            /** @description Part of the program: can't be changed. */
            built_in?: boolean;
            /** Format: date-time */
            created_at: string;
            description: string;
            id: components["schemas"]["Id"];
            name: string;
            /** Format: int64 */
            update_version: number;
        };
        /** @description `POST /roles`. */
        RoleCreate: {
            /** @description What it is for */
            description?: string;
            /** @description Its name, which stays */
            name: string;
        };
        /** @enum {string} */
        Scope: "system" | "domain" | "project" | "user";
        /** @description A disk as the rescue system sees it. */
        SeenDisk: {
            /** @description Its name below `/dev/disk/by-id`, in the guest's own system and in the rescue system; empty where it has no serial number. */
            by_id?: string;
            /** @description The kernel's name: `vda`, `sda`. */
            name: string;
            /** @description What the guest's own kernel calls it: `sdb`; empty if that is not known. */
            normal_name?: string;
            /** @description Partitions and what is on them. */
            parts?: components["schemas"]["SeenPart"][];
            read_only: boolean;
            /** @description As in the guest's description; empty where the bus has none. */
            serial: string;
            /**
             * Format: int64
             * @description Bytes.
             */
            size: number;
        };
        SeenPart: {
            /** @description As of the disk. */
            by_id?: string;
            /** @description As `blkid` names it: `ext4`, `vfat`, `LVM2_member`; empty if none was recognised. */
            filesystem: string;
            label: string;
            /** @description Where the guest's own system mounts it, as its fstab says, or where it was mounted last; empty where neither can be read cheaply. */
            mounted?: string;
            /** @description `vda1`; the disk's own name where a file system fills the whole disk. */
            name: string;
            /** @description As of the disk. */
            normal_name?: string;
            /**
             * Format: int64
             * @description Bytes.
             */
            size: number;
            uuid: string;
        };
        Server: {
            arch: components["schemas"]["Arch"];
            /** @description Drives for ISO images, and what is in them. */
            cdroms?: components["schemas"]["ServerCdrom"][];
            /** Format: date-time */
            created_at: string;
            /** @description For people. */
            description?: string;
            disks: components["schemas"]["ServerDisk"][];
            firmware: components["schemas"]["Firmware"];
            host: string;
            host_id: components["schemas"]["Id"];
            hypervisor: string;
            id: components["schemas"]["Id"];
            machine: components["schemas"]["Machine"];
            metadata?: {
                [key: string]: string;
            };
            name: string;
            nics: components["schemas"]["ServerNic"][];
            /** @description What the host observes. */
            power_state: components["schemas"]["PowerState"];
            /** @description The version of QEMU it runs with; null: its host's newest. */
            qemu_version?: string | null;
            /** @description True in every status that belongs to a rescue. */
            rescue_mode: boolean;
            rescue_session_id?: components["schemas"]["Id"] | null;
            /** @description The lifecycle, owned by the compute service. */
            status: components["schemas"]["GuestStatus"];
            /** @description Why the status is what it is, where that needs words. */
            status_reason?: string | null;
            task?: components["schemas"]["TaskBrief"] | null;
            /**
             * Format: int64
             * @description Rises with every change.
             */
            update_version: number;
            /** Format: date-time */
            updated_at: string;
            /** Format: int32 */
            vcpu_count: number;
            /**
             * Format: int32
             * @description Memory in MiB.
             */
            vmem_size: number;
            /** @description Whether it has a screen that VNC shows. */
            vnc?: boolean;
        };
        ServerCdrom: {
            /** Format: int32 */
            index: number;
            /** @description The name of an ISO image in the host's image folder; null: the drive is empty. */
            iso?: string | null;
        };
        /** @description `POST /servers`. */
        ServerCreate: {
            /** @description Start it once it exists. */
            auto_start?: boolean;
            /**
             * Format: int32
             * @description How many to make (1 to 100). From 2 on they are called `NAME-1`, `NAME-2` and so on, and the answer has one row for each:
             *     `{"servers": [{"status": 200, "body": {...}}]}`.
             */
            count?: number;
            /** @description For people; at most 1024 bytes. */
            description?: string;
            disks: components["schemas"]["DiskCreate"][];
            firmware?: components["schemas"]["Firmware"] | null;
            hypervisor?: string;
            machine?: components["schemas"]["Machine"] | null;
            metadata?: {
                [key: string]: string;
            };
            /** @description 1 to 63 letters, digits, `-`, `_` and `.`, beginning with a letter or digit. */
            name: string;
            nets?: components["schemas"]["NetCreate"][];
            /** @description The host, by id or name; else the one with most free memory. */
            prefer_host?: string | null;
            /** @description The version of QEMU to run it with; else the host's newest. */
            qemu_version?: string | null;
            /** Format: int32 */
            vcpu_count?: number;
            /**
             * Format: int32
             * @description Memory in MiB.
             */
            vmem_size?: number;
            /** @description A screen that VNC shows. */
            vnc?: boolean;
        };
        ServerDisk: {
            driver: components["schemas"]["DiskDriver"];
            format: components["schemas"]["DiskFormat"];
            id: components["schemas"]["Id"];
            image?: string | null;
            /** Format: int32 */
            index: number;
            /** @description What the guest reads as the disk's serial number. */
            serial: string;
            /**
             * Format: int64
             * @description MiB; 0: as large as its image.
             */
            size: number;
        };
        ServerNic: {
            forwards: components["schemas"]["PortForward"][];
            /** Format: int32 */
            index: number;
            mac: string;
            model: components["schemas"]["NicModel"];
        };
        /** @description `PUT` or `PATCH /servers/{id}`: what is absent stays. */
        ServerUpdate: {
            /** @description At most 1024 bytes. */
            description?: string | null;
            /** @description All metadata anew. */
            metadata?: {
                [key: string]: string;
            } | null;
            /** @description A new name: 1 to 63 letters, digits, `-`, `_` and `.`, beginning with a letter or digit. */
            name?: string | null;
        };
        /** @description Who is logged in, in which project, until when. */
        Session: {
            /** @description To be sent as `X-CSRF-Token` with each request that changes something. It follows from the token, and the token not from it. */
            csrf: string;
            /** Format: date-time */
            expires_at: string;
            project?: components["schemas"]["SessionProject"] | null;
            /** @description All that the user may choose from, by domain and name. */
            projects: components["schemas"]["SessionProject"][];
            /** @description The roles in `project`. */
            roles: string[];
            user: components["schemas"]["SessionUser"];
        };
        /** @description The answer of log-in, look and change of project. */
        SessionAnswer: {
            session: components["schemas"]["Session"];
        };
        SessionImage: {
            initramfs: components["schemas"]["BootFile"];
            kernel: components["schemas"]["BootFile"];
            name: string;
            version: string;
        };
        SessionProject: {
            domain: string;
            id: string;
            /** @description As servers name their project: `name`, or `domain/name` outside of Default. */
            key: string;
            name: string;
            /** @description The user's roles in it. */
            roles: string[];
        };
        /** @enum {string} */
        SessionState: "starting" | "active" | "confirming" | "stopping" | "closed" | "failed";
        SessionUser: {
            domain: string;
            id: string;
            /** @description As events and other answers name the user: `name`, or `domain/name` outside of Default. */
            key: string;
            name: string;
        };
        /** @description `POST /servers/{id}/set-metadata`: all metadata anew. */
        SetMetadata: {
            [key: string]: string;
        };
        /** @description `POST /users/{id}/set-password`. */
        SetPassword: {
            /** @description 8 to 256 characters. */
            password: string;
        };
        Snapshot: {
            /** Format: date-time */
            created_at: string;
            description: string;
            /** @description The disks at that moment. */
            disks: components["schemas"]["ServerDisk"][];
            id: components["schemas"]["Id"];
            /** @description Unique among those of its server. */
            name: string;
            /** @description Whether the server was on: then its disks are as after a power failure. */
            running: boolean;
            server: string;
            server_id: components["schemas"]["Id"];
            status: components["schemas"]["SnapshotStatus"];
            status_reason?: string | null;
        };
        /** @enum {string} */
        SnapshotStatus: "creating" | "create_failed" | "ready" | "deleting" | "delete_failed";
        /** @description `POST /servers/{id}/start`. */
        Start: Record<string, never>;
        /** @description `POST /servers/{id}/start-rescue`. */
        StartRescue: {
            disk_mode?: components["schemas"]["DiskMode"] | null;
            /** @description Also rescue a paused server; what is in its memory is lost */
            force?: boolean;
            network?: components["schemas"]["RescueNetwork"] | null;
            on_expiry?: components["schemas"]["OverlayEnd"] | null;
            /** @description none, generate (shown once in the answer), or a crypt(3) hash (default none) */
            password?: string | null;
            /** @description The QEMU version to run the rescue system with */
            qemu_version?: string | null;
            /** @description Why, for the log */
            reason?: string | null;
            /** @description The rescue image by name; else the best one for the server */
            rescue_image?: string | null;
            /** @description A public key that may log in as root, in authorized_keys form; may be repeated */
            ssh_keys?: string[];
            /**
             * Format: int32
             * @description Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
             */
            stop_timeout?: number | null;
            /**
             * Format: int32
             * @description Seconds after which the server leaves rescue by itself (300 to 2592000; default 86400)
             */
            ttl?: number | null;
        };
        /** @description `POST /servers/{id}/stop`. */
        Stop: {
            /** @description Do not wait for the guest: quit it at once */
            is_force?: boolean;
            /**
             * Format: int32
             * @description Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
             */
            timeout_secs?: number | null;
        };
        /** @enum {string} */
        StopHow: "already_off" | "agent" | "acpi" | "guest_agent" | "quit" | "kill";
        /** @description `POST /servers/{id}/stop-rescue`. */
        StopRescue: {
            /** @description Do not wait for the rescue system: quit it at once */
            force?: boolean;
            overlay?: components["schemas"]["OverlayEnd"] | null;
            power?: components["schemas"]["PowerAfter"] | null;
            /**
             * Format: int32
             * @description Seconds the rescue system gets to unmount and power off (1 to 3600; default 60)
             */
            stop_timeout?: number | null;
        };
        /** @description `POST /servers/{id}/suspend`. */
        Suspend: Record<string, never>;
        /** @description `POST /servers/{id}/syncstatus`. */
        SyncStatus: Record<string, never>;
        Task: {
            /** @description Somebody asked it to stop. */
            cancel_requested?: boolean;
            /** @description Why it failed, for people. */
            cause?: string | null;
            /** @description Its children, oldest first, at most 200; in lists none. `GET /tasks?parent=ID` has them all. */
            children?: components["schemas"]["TaskChild"][];
            /**
             * Format: int64
             * @description How many children there are; in lists 0.
             */
            children_total?: number;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            ended_at?: string | null;
            /** @description What was seen when it failed: the last lines of a serial console, a command's output. */
            evidence: string[];
            id: components["schemas"]["Id"];
            is_complete: boolean;
            /** @description Why it stands still: the last error of the stage at work, the reason of `blocked`. */
            last_error?: string | null;
            /** Format: uuid */
            obj_id?: string | null;
            obj_name?: string | null;
            obj_type?: string | null;
            parent_task_id?: components["schemas"]["Id"] | null;
            progress?: components["schemas"]["TaskProgress"] | null;
            request_id?: string | null;
            /** @description What it ended in, of tasks that tell: see the verb that began it. */
            result?: Record<string, never> | null;
            /** @description The stage at work, or the last one. */
            stage: string;
            /**
             * Format: date-time
             * @description When the stage at work gives up.
             */
            stage_deadline?: string | null;
            /** @description The stages so far, in order. */
            stages: components["schemas"]["TaskStage"][];
            state: components["schemas"]["TaskState"];
            task_name: string;
            /** Format: date-time */
            updated_at: string;
            user?: string | null;
            /** @description It failed and is undoing what it did. */
            way_back: boolean;
        };
        /** @description What a verb's answer says of its task. */
        TaskBrief: {
            id: components["schemas"]["Id"];
            stage: string;
            task_name: string;
        };
        /** @description A child, in short. */
        TaskChild: {
            cause?: string | null;
            id: components["schemas"]["Id"];
            /** Format: uuid */
            obj_id?: string | null;
            obj_name?: string | null;
            obj_type?: string | null;
            result?: Record<string, never> | null;
            stage: string;
            state: components["schemas"]["TaskState"];
            task_name: string;
        };
        /** @description How far a download is, as the host said last. */
        TaskProgress: {
            /**
             * Format: date-time
             * @description When the host said it; a rate is what came between two of these.
             */
            at: string;
            /**
             * Format: int64
             * @description Bytes that are there.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Bytes in all.
             */
            bytes_total: number;
            /** @description For people. */
            text: string;
        };
        TaskStage: {
            /**
             * Format: int32
             * @description How often it was tried.
             */
            attempts: number;
            /** Format: date-time */
            ended_at?: string | null;
            /** @description What a host said while it was at work, or why it failed. */
            error?: string | null;
            stage: string;
            /** Format: date-time */
            started_at: string;
            way_back: boolean;
        };
        /** @enum {string} */
        TaskState: "queued" | "waiting" | "joining" | "succeeded" | "failed" | "cancelled" | "blocked";
        User: {
            /** Format: date-time */
            created_at: string;
            description?: string;
            domain: string;
            enabled: boolean;
            id: components["schemas"]["Id"];
            name: string;
            projects: components["schemas"]["Membership"][];
            /** Format: int64 */
            update_version: number;
        };
        /** @description `POST /users`. */
        UserCreate: {
            description?: string;
            /** @description Absent: the caller's own. */
            domain?: string | null;
            name: string;
            /** @description 8 to 256 characters. */
            password: string;
        };
        /** @description `PUT /users/{id}`: what is absent stays. */
        UserUpdate: {
            /** @description Who it is */
            description?: string | null;
            /** @description Another name */
            name?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    action_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        actions: components["schemas"]["ActionLog"][];
                        limit: number;
                        marker_field?: string;
                        marker_order?: string;
                        next_marker?: string;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    action_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        action: components["schemas"]["ActionLog"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    archivedtask_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        archivedtasks: components["schemas"]["Task"][];
                        limit: number;
                        marker_field?: string;
                        marker_order?: string;
                        next_marker?: string;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    archivedtask_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        archivedtask: components["schemas"]["Task"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    auth_login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LogIn"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    auth_logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    auth_project: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChooseProject"];
            };
        };
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    auth_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    baremetalagent_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagents: components["schemas"]["BaremetalAgent"][];
                        limit: number;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    baremetalagent_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagent: components["schemas"]["BaremetalAgent"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    baremetalagent_perform_disable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    baremetalagent?: components["schemas"]["DisableAgent"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagent: components["schemas"]["BaremetalAgent"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagent: components["schemas"]["BaremetalAgent"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    baremetalagent_perform_enable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    baremetalagent?: components["schemas"]["EnableAgent"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagent: components["schemas"]["BaremetalAgent"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        baremetalagent: components["schemas"]["BaremetalAgent"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    consolerecording_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        consolerecordings: components["schemas"]["ConsoleRecording"][];
                        limit: number;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    consolerecording_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        consolerecording: components["schemas"]["ConsoleRecording"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    consolerecording_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    consolerecording?: components["schemas"]["DeleteConsoleRecording"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        consolerecording: components["schemas"]["ConsoleRecording"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        consolerecording: components["schemas"]["ConsoleRecording"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    consolerecording_get_cast: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What it showed, as asciicast v2; looking at it leaves an event on its server */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-asciicast": string;
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    disk_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        disks: components["schemas"]["Disk"][];
                        limit: number;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    disk_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        disk: components["schemas"]["Disk"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    disk_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    disk?: components["schemas"]["DeleteDisk"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        disk: components["schemas"]["Disk"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        disk: components["schemas"]["Disk"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    domain_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domains: components["schemas"]["Domain"][];
                        limit: number;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    domain_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    domain?: components["schemas"]["DomainCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    domain_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    domain_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    domain?: components["schemas"]["DeleteDomain"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    domain_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    domain?: components["schemas"]["DomainUpdate"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        domain: components["schemas"]["Domain"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    event_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        events: components["schemas"]["Event"][];
                        limit: number;
                        marker_field?: string;
                        marker_order?: string;
                        next_marker?: string;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    event_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        event: components["schemas"]["Event"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    host_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        hosts: components["schemas"]["Host"][];
                        limit: number;
                        offset: number;
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    host_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    host_perform_disable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    host?: components["schemas"]["DisableHost"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    host_perform_enable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    host?: components["schemas"]["EnableHost"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    host_perform_ping: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    host?: components["schemas"]["PingHost"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: components["schemas"]["Host"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    "host_get_unknown-guests": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Guests that it has and region does not know; they are shown, never touched */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        host: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    policy_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        policies: components["schemas"]["Policy"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    policy_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    policy?: components["schemas"]["PolicyCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    policy_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    policy_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    policy?: components["schemas"]["DeletePolicy"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    policy_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    policy?: components["schemas"]["PolicyUpdate"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        policy: components["schemas"]["Policy"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        projects: components["schemas"]["Project"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    project?: components["schemas"]["ProjectCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    project?: components["schemas"]["DeleteProject"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    project?: components["schemas"]["Described"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_perform_join: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    project?: components["schemas"]["JoinProject"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    project_perform_leave: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    project?: components["schemas"]["LeaveProject"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        project: components["schemas"]["Project"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescueimage_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        rescueimages: components["schemas"]["RescueImage"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescueimage_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescueimage: components["schemas"]["RescueImage"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescuesession_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        rescuesessions: components["schemas"]["RescueSession"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescuesession_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescuesession: components["schemas"]["RescueSession"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescuesession_get_diagnosis: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What the rescue system found, and what was repaired since */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescuesession: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescuesession_get_explain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Where it stands, what was seen, what to do next */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescuesession: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    rescuesession_perform_extend: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    rescuesession?: components["schemas"]["Extend"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescuesession: components["schemas"]["RescueSession"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        rescuesession: components["schemas"]["RescueSession"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    role_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        roles: components["schemas"]["Role"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    role_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    role?: components["schemas"]["RoleCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    role_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    role_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    role?: components["schemas"]["DeleteRole"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    role_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    role?: components["schemas"]["Described"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        role: components["schemas"]["Role"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        servers: components["schemas"]["Server"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    server?: components["schemas"]["ServerCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_rescue_repair_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BatchRescueRepair"];
            };
        };
        responses: {
            /** @description Accepted: the task has one child for each */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_start_rescue_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BatchStartRescue"];
            };
        };
        responses: {
            /** @description Accepted: the task has one child for each */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Delete"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    server?: components["schemas"]["ServerUpdate"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_attach_disk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["AttachDisk"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_attach_network: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["AttachNetwork"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_change_config: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["ChangeConfig"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_console: {
        parameters: {
            query?: {
                /** @description Instead of a token: what POST .../console-ticket gave; good once */
                ticket?: string;
            };
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A WebSocket (RFC 6455), subprotocol `binary` */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_console_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["ConsoleTicket"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_create_snapshot: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["CreateSnapshot"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_desc: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its description, as its host has it now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_detach_disk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["DetachDisk"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_detach_network: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["DetachNetwork"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_disks: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its disks */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_eject_iso: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["EjectIso"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_insert_iso: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["InsertIso"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_metadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its metadata */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_metadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["AddMetadata"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_rescue: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its last rescue session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_rescue_diagnose: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["RescueDiagnose"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_rescue_repair: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["RescueRepair"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_reset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Reset"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_resize_disk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["ResizeDisk"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_restart: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Restart"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_resume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Resume"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_revert_snapshot: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["RevertSnapshot"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_set_metadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["SetMetadata"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_start: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Start"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_start_rescue: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["StartRescue"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Status and power state */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_stop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Stop"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_stop_rescue: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["StopRescue"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_suspend: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["Suspend"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_syncstatus: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    server?: components["schemas"]["SyncStatus"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: components["schemas"]["Server"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_get_tasks: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its tasks, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        server: Record<string, never>;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    server_perform_vnc: {
        parameters: {
            query?: {
                /** @description Instead of a token: what POST .../console-ticket gave; good once */
                ticket?: string;
            };
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A WebSocket (RFC 6455), subprotocol `binary` */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    snapshot_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        snapshots: components["schemas"]["Snapshot"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    snapshot_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        snapshot: components["schemas"]["Snapshot"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    snapshot_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    snapshot?: components["schemas"]["DeleteSnapshot"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        snapshot: components["schemas"]["Snapshot"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        snapshot: components["schemas"]["Snapshot"];
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    stream: {
        parameters: {
            query?: {
                /** @description Of servers, tasks, events, those that are wanted, with commas between them; else all that you may see */
                resource?: string;
                /** @description Only what concerns this server, task or object; several with commas between them; a server also by name */
                id?: string;
            };
            header?: {
                /** @description The id of the last event that was read */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        marker_field?: string;
                        marker_order?: string;
                        next_marker?: string;
                        offset: number;
                        tasks: components["schemas"]["Task"][];
                        total: number;
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["Task"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_perform_abandon: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    task?: components["schemas"]["Abandon"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["Task"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_perform_cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    task?: components["schemas"]["Cancel"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["Task"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    task_perform_retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    task?: components["schemas"]["Retry"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["Task"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_list: {
        parameters: {
            query?: {
                /** @description At most so many rows; 0 is the default of 20, 2000 the most */
                limit?: number;
                /** @description Skip so many rows */
                offset?: number;
                /** @description Rows whose name contains this text */
                search?: string;
                /** @description The row of exactly this name */
                name?: string;
                /** @description A column; may be repeated */
                order_by?: string;
                /** @description asc or desc, of each column */
                order?: string;
                /** @description column.op(values), as name.in('a','b'); may be repeated, and all must hold */
                filter?: string;
                /** @description One of the filters is enough */
                filter_any?: boolean;
                /** @description Only these keys of each row; may be repeated */
                field?: string;
                /** @description system, domain, project or user: less than you may see */
                scope?: string;
                /** @description Rows are whole either way */
                details?: boolean;
                /** @description The next_marker of the page before, where there was one */
                paging_marker?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        limit: number;
                        offset: number;
                        total: number;
                        users: components["schemas"]["User"][];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    user?: components["schemas"]["UserCreate"];
                };
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The resource */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    user?: components["schemas"]["DeleteUser"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_update: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody: {
            content: {
                "application/json": {
                    user?: components["schemas"]["UserUpdate"];
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_perform_disable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    user?: components["schemas"]["DisableUser"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_perform_enable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    user?: components["schemas"]["EnableUser"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    user_perform_set_password: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id, or the name */
                id: string;
            };
            cookie?: never;
        };
        /** @description May also come without the resource's keyword around it */
        requestBody?: {
            content: {
                "application/json": {
                    user?: components["schemas"]["SetPassword"];
                };
            };
        };
        responses: {
            /** @description Done: nothing is left for a task */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Accepted: the task does the rest */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        task: components["schemas"]["TaskBrief"];
                        user: components["schemas"]["User"];
                        /** @description Keys of the body that were not understood, and so ignored */
                        warnings?: string[];
                    };
                };
            };
            /** @description Refused: `class` says why, `details` what would be right */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
}
