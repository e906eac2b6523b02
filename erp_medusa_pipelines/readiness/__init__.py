"""What both servers must have for the tasks: looked at (the doctor) and put in place (the setup)."""
