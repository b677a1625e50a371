"""Many pictures judged by several processes, in parts that are whole or missing, so that it can go on."""
