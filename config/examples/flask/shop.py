"""A shop whose database connection breaks for good: only a restart helps."""

from flask import Flask

app = Flask(__name__)
broken = False


@app.get("/")
def index():
    return ("broken\n", 500) if broken else "open\n"


@app.post("/break")
def break_it():
    global broken
    broken = True
    return "broken from now on\n"
