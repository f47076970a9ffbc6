"""`report.html`: what a person looks at after preparing a dataset."""
