"""Many pictures judged by several processes: parts of a scan are whole or missing, and it goes on anywhere."""
