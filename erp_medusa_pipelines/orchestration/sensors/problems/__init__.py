"""What is wrong now, who has heard of it, and who has still to hear.

Add here: a source of problems (`found.py`: one generator, one line in `problems`). A problem has a key that is the same
as long as it lasts; that is all that "reported once, and once when it is over" needs. What was reported, and what waits
for which receiver, is the cursor of the sensor `alerts`. Avoid: a separate memory for a new kind of problem, and a
verdict from a check or tick that is only just being evaluated.
"""
