drop table console_recording_chunks, console_recordings;
