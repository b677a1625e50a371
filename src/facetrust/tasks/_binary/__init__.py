"""What the tasks with two answers share."""
