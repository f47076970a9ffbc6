"""Worker processes on one machine: started, watched, and started again."""
