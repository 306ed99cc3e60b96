drop trigger guests_gone on guests;
drop trigger guests_moved on guests;
drop trigger guests_added on guests;
drop function guest_moved;
drop function guests_added;
drop table guest_counts;
