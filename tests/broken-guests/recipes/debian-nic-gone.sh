#!/bin/sh
# The network's configuration is that of the machine it was copied from.
# guest: debian
# expect: network_nic_gone
# fix: network_forget_nic
. "$LIB"
text /etc/systemd/network/80-dhcp.network | sed 's/^Type=ether/MACAddress=52:54:00:00:00:99/' | put /etc/systemd/network/80-dhcp.network
