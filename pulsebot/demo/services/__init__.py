"""The little services of the demo: real processes, with faults on a timetable."""
