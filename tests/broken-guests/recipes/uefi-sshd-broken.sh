#!/bin/sh
# The SSH server's configuration has a word of another program, and its keys were removed.
# guest: uefi
# inside: yes
# expect: sshd_config_broken sshd_keys_missing
# fix: sshd_comment_out
mounted
echo 'PermitRootLogins yes' >>/mnt/etc/ssh/sshd_config
rm /mnt/etc/ssh/ssh_host_*
unmounted
