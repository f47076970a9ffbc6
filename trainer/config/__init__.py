"""What a run is: the flags that say it, the config that keeps it, what a resume may change."""
