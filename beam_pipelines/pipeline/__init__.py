"""The Beam job: listing, scan, plan, write, and the runner that all of it runs on."""
