"""The table of endpoints: a new one is a file beside this, and a line here."""

from pulsebot.web.api import alerts, crashes, messages, service, services, triggers, unstable, views
from pulsebot.web.api.base import Endpoint

ENDPOINTS = (
    Endpoint("/services", services.services),
    Endpoint("/services/{service}", service.service),
    Endpoint("/services/{service}/triggers", triggers.triggers),
    Endpoint("/services/{service}/crashes", crashes.of_one),
    Endpoint("/services/{service}/messages", messages.messages),
    Endpoint("/crashes", crashes.crashes),
    Endpoint("/unstable", unstable.unstable),
    Endpoint("/alerts", alerts.alerts),
    Endpoint("/alerts/{id}", alerts.alert),
    Endpoint("/views", views.views),
    Endpoint("/views/{name}", views.view),
    Endpoint("/views/{name}/rows", views.rows),
)
