"""Headrace against its peers: each module is a program that measures and prints a table."""
