"""jupyterhub_config.py with what only `python -m tests.hub` needs: free ports, a temporary folder,
a password for all, a token for the script, and pages that a script can drive."""

import json
import os

c = get_config()  # noqa: F821 - JupyterHub gives it to this file
tried = json.loads(os.environ["INM_HUB"])
load_subconfig(tried["config"])  # noqa: F821 - and this

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = tried["password"]
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = tried["url"]
c.JupyterHub.hub_bind_url = tried["hub_url"]
c.ConfigurableHTTPProxy.api_url = tried["proxy_url"]
c.ConfigurableHTTPProxy.command = tried["proxy"]
c.JupyterHub.services = [{"name": "class", "api_token": tried["token"]}]
c.JupyterHub.load_roles = [
    {
        "name": "class",
        "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"],
        "services": ["class"],
    }
]
c.Learner.home_dir_template = tried["learners"] + "/{username}"
c.Learner.cpu_seconds = tried["cpu_seconds"]
c.Learner.mem_limit = tried["memory"]
c.Learner.args = ["--LabApp.expose_app_in_browser=True"]
c.Learner.environment |= {
    "PYTHONPATH": tried["course"],
    "JUPYTER_CONFIG_PATH": tried["settings"],
}
