// The permission table: each rule that the console asks about, by the name that `GET /permissions` gives it
// (crates/region/verbs.txt has them all; a test compares). `server_perform_start_rescue` is compute / servers / perform / start-rescue.

const SERVER = [
  'server_list',
  'server_get',
  'server_create',
  'server_update',
  'server_delete',
  'server_perform_start',
  'server_perform_stop',
  'server_perform_restart',
  'server_perform_reset',
  'server_perform_suspend',
  'server_perform_resume',
  'server_perform_start_rescue',
  'server_perform_stop_rescue',
  'server_perform_rescue_diagnose',
  'server_perform_rescue_repair',
  'server_perform_syncstatus',
  'server_perform_change_config',
  'server_perform_attach_disk',
  'server_perform_detach_disk',
  'server_perform_resize_disk',
  'server_perform_attach_network',
  'server_perform_detach_network',
  'server_perform_insert_iso',
  'server_perform_eject_iso',
  'server_perform_create_snapshot',
  'server_perform_revert_snapshot',
  'server_perform_metadata',
  'server_perform_set_metadata',
  'server_perform_console_ticket',
] as const

const STORAGE = ['disk_list', 'disk_get', 'disk_delete', 'snapshot_list', 'snapshot_get', 'snapshot_delete'] as const

const RESCUE = ['rescuesession_list', 'rescuesession_get', 'rescuesession_perform_extend', 'rescueimage_list', 'rescueimage_get'] as const

const NODE = [
  'host_list',
  'host_get',
  'host_perform_enable',
  'host_perform_disable',
  'host_perform_ping',
  'baremetalagent_list',
  'baremetalagent_get',
  'baremetalagent_perform_enable',
  'baremetalagent_perform_disable',
] as const

const TASK = ['task_list', 'task_get', 'task_perform_cancel', 'task_perform_retry', 'task_perform_abandon', 'archivedtask_list', 'archivedtask_get'] as const

const LOG = ['event_list', 'event_get', 'action_list', 'action_get', 'consolerecording_list', 'consolerecording_get'] as const

const ACCOUNT = [
  'domain_list',
  'domain_get',
  'domain_create',
  'domain_update',
  'domain_delete',
  'user_list',
  'user_get',
  'user_create',
  'user_update',
  'user_delete',
  'user_perform_set_password',
  'user_perform_enable',
  'user_perform_disable',
  'project_list',
  'project_get',
  'project_create',
  'project_update',
  'project_delete',
  'project_perform_join',
  'project_perform_leave',
  'role_list',
  'role_get',
  'role_create',
  'role_update',
  'role_delete',
  'policy_list',
  'policy_get',
  'policy_create',
  'policy_update',
  'policy_delete',
] as const

export const PERMISSIONS = [...SERVER, ...STORAGE, ...RESCUE, ...NODE, ...TASK, ...LOG, ...ACCOUNT] as const

export type Permission = (typeof PERMISSIONS)[number]
