"""stub"""

EXAMPLES = ("jaxscale doctor", "jaxscale doctor --json")


def options(sub):
    pass


def run(o):
    return 0
