"""Publishing: views kept in somebody else's database, for every tool that reads one."""
