"""What runs the models together: the line from events to answers, on one machine."""
