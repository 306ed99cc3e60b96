#!/bin/sh
# As it was made.
# guest: uefi
