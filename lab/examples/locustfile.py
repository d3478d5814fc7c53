"""Users that come and go: half of them ask for /home, the others for requests by id.

locust -f lab/examples/locustfile.py --headless -u 50 -r 50 -t 10s --host http://127.0.0.1:5000
"""

import random

from locust import HttpUser, constant, task


class Visitor(HttpUser):
    wait_time = constant(0.01)

    @task
    def home(self):
        self.client.get("/home")

    @task
    def request(self):
        self.client.get(f"/request?request_id={random.randint(100000, 999999)}", name="/request?request_id=...")
