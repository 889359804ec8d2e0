"""A version that was not served before is opened, scored and explained in a process of its own first.

What a graph takes cannot be foreseen from reading it, so that process has a limit of memory and one of time.
It is given as many rows as one request may carry. That bounds a version which behaves alike for all rows, and
confines nothing else: the process may read and write what the service may.
"""
