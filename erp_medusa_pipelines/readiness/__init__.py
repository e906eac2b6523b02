"""What both servers must have for the tasks: the doctor checks it, the setup creates it."""
