import re
from pathlib import Path

import pytest

from crawler.agent import AgentSettings
from pulsebot import configfile
from pulsebot.address import Address
from pulsebot.errors import InvalidConfig
from pulsebot.settings import Settings, load
from pulsebot.stream.config import KafkaStream

SCAFFOLD = Path(__file__).parents[1] / "pulsebot" / "terminal" / "scaffold"
TOKEN = "xoxb-12345-very-secret"  # noqa: S105 - a made-up one


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(text: str, **environ: str) -> Settings:
    """Load a `pulsebot.yaml` of this text, with these variables over it."""
    Path("pulsebot.yaml").write_text(text)
    return load(environ=environ)


def faults(text: str, **environ: str) -> list[str]:
    """Return what is wrong with such a file, each with its place."""
    with pytest.raises(InvalidConfig) as caught:
        settings(text, **environ)
    return str(caught.value).splitlines()


def uncommented(text: str) -> str:
    """Return an example with its commented lines live, each in place of what it replaces."""
    kafka = text.partition("# stream:")
    live = kafka[1] + kafka[2] if kafka[1] else text
    return re.sub(r"(?m)^# ?(?=-|[a-z_]+:|  )", "  " if "probes:" in text else "", live)


def test_the_example_files_load_as_they_are() -> None:
    """What `pulsebot init` writes has no fault, for both commands."""
    bot = (SCAFFOLD / "pulsebot.yaml").read_text().replace("@ZONE@", "Europe/Berlin")
    assert settings(bot).timezone == "Europe/Berlin"
    crawler = configfile.load(AgentSettings, SCAFFOLD / "crawler.yaml", {}, "CRAWLER_")
    assert [probe.type for probe in crawler.probes] == ["http"]


def test_the_commented_examples_load_too() -> None:
    """Taking the `#` away from an example gives settings that work."""
    bot = uncommented((SCAFFOLD / "pulsebot.yaml").read_text().replace("@ZONE@", "UTC"))
    loaded = settings(bot)
    assert loaded.chats().keys() == {"console", "slack", "telegram"}
    assert isinstance(loaded.stream, KafkaStream)
    assert set(loaded.access) == {"slack", "telegram"}
    Path("crawler.yaml").write_text(uncommented((SCAFFOLD / "crawler.yaml").read_text()))
    crawler = configfile.load(AgentSettings, Path("crawler.yaml"), {}, "CRAWLER_")
    assert [probe.type for probe in crawler.probes] == ["http", "process", "log"]


def test_without_a_file_the_defaults_hold() -> None:
    """The bot starts in an empty folder, on the embedded log; a named file must be there."""
    assert load(environ={}) == Settings()
    with pytest.raises(InvalidConfig, match=r"other\.yaml: there is no such file"):
        load(Path("other.yaml"), environ={})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("databse: x.db\n", "`databse` is not a known key; did you mean `database`?"),
        ("slack: {bot_tokn: x, bot_token: y}\n",
         "`slack.bot_tokn` is not a known key; did you mean `bot_token`?"),
        ("slack: {}\n", "`slack.bot_token` is missing"),
        ("timezone: Berlin\n",
         "`timezone`: there is no time zone 'Berlin'; did you mean Europe/Berlin?"),
        ("retention: {counts: 0}\n", "`retention.counts`: must be more than 0"),
        ("clock: {past: 3 months}\n",
         "`clock.past`: '3 months' is not a duration; write it like 90s, 10m or 1h30m"),
        ("clock: {past: 3}\n",
         "`clock.past`: '3' is not a duration; write it like 90s, 10m or 1h30m"),
        ("chat_timezones: {telegram:-1: Xx}\n",
         "`chat_timezones`: there is no time zone 'Xx'; write it like Europe/Berlin or UTC"),
        ("{console: true, delivery: {admin: slack:#ops}}\n",
         ("`delivery`: `slack:#ops`: there is no chat `slack` in the settings; "
          "there are console")),
        ("delivery: {admin: console}\n",
         ("`delivery`: `console`: no chat is set up; "
          "start with `console: true` in the settings")),
        ("delivery: {admin: ops!}\n",
         ("`delivery`: 'ops!' is not a receiver; write console, slack:#channel, telegram:name "
          "or webhook:name")),
        ("{web: null, slack: {bot_token: x, mode: http, signing_secret: y}}\n",
         ("`web`: Slack calls the bot in this mode, so the web server must run; "
          "give `web: {listen: 127.0.0.1:8080}`, or `slack: {mode: socket}`")),
        ("{web: null, telegram: {token: x, mode: webhook}}\n",
         ("`web`: Telegram calls the bot in this mode, so the web server must run; "
          "give `web: {listen: 127.0.0.1:8080}`, or `telegram: {mode: polling}`")),
        ("web: {listen: 8080}\n",
         "`web.listen`: '8080' is no HOST:PORT; write it like 127.0.0.1:8080"),
        ("web: {listen: 127.0.0.1:80800}\n",
         "`web.listen`: '80800' is no port; ports go from 0 (any free one) to 65,535"),
        ("web: {listen: 'bot:8080'}\n",
         ("`web.listen`: 'bot' is no address of this machine; write localhost, an IP address, "
          "or 0.0.0.0 for all of them")),
        ("web: {listen: '::1:8080'}\n",
         "`web.listen`: an IPv6 address stands in brackets, like '[::1]:8080'"),
        ("web: {token: short}\n",
         ("`web.token`: needs 16 letters, digits or signs at least, and no spaces; "
          "make one: openssl rand -hex 32")),
        ("web: {proxy_header: 'X User', proxy_from: [10.0.0.1]}\n",
         "`web.proxy_header`: 'X User' cannot be the name of a header"),
        ("web: {proxy_header: X-User}\n",
         ("`web`: `proxy_header` needs `proxy_from`: the addresses that the proxy calls from, "
          "such as [127.0.0.1]")),
        ("web: {proxy_from: [10.0.0.1]}\n",
         ("`web`: `proxy_from` goes with `proxy_header`: the header in which the proxy names "
          "the user")),
        ("web: {proxy_header: X-User, proxy_from: [10.0.0.1/8]}\n",
         "`web.proxy_from.0`: '10.0.0.1/8' is no address or network; write it like 10.0.0.0/8"),
        ("logs: {level: warn}\n",
         ("`logs.level`: 'warn' is not one of debug, info, warning or error; "
          "did you mean `warning`?")),
        ("console: maybe\n", "`console`: must be true or false"),
        ("stream: {type: kafak}\n",
         "`stream.type`: 'kafak' is not one of local, kafka; did you mean `kafka`?"),
        ("stream: {type: kafka, bootstrap: k1}\n", "`stream.bootstrap`: must be a list"),
        ('stream: {type: local, topics: {template: "{kin}"}}\n',
         "`stream.topics.template`: only {kind} and {service} can be filled in"),
        ('stream: {type: local, topics: {template: "{service}"}}\n',
         "`stream.topics`: a template with {service} needs `pattern` or `read`"),
        ("stream: {type: local, topics: {read: [a], pattern: b}}\n",
         "`stream.topics`: give either `read` or `pattern`, not both"),
        ("stream: {type: kafka, bootstrap: [k], security_protocol: SASL_SSL, sasl_username: u}\n",
         ("`stream`: security_protocol SASL_SSL needs sasl_mechanism, sasl_username and "
          "sasl_password")),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_mend(text: str, said: str) -> None:
    """Each of the mistakes that people make has a sentence of its own."""
    assert faults(text) == [f"pulsebot.yaml:1: {said}"]


@pytest.mark.parametrize(
    ("admin", "words"),
    [
        ("webhook:pagr", "there is no `pagr` in `webhooks` of the settings; did you mean `pager`?"),
        ("telegram:ops", "there is no `ops` in `telegram.chats` of the settings; there are oncall"),
    ],
)
def test_an_admin_that_no_setting_names_is_refused(admin: str, words: str) -> None:
    """The one who is told of lost messages must not be lost to a typo."""
    with pytest.raises(InvalidConfig, match=re.escape(words)):
        settings(
            f"delivery: {{admin: {admin}}}\nwebhooks: {{pager: {{url: u}}}}\n"
            "telegram: {token: t, chats: {oncall: -100}}\n"
        )


def test_an_admin_on_a_chat_that_is_set_up_is_fine() -> None:
    """The webhook named by `delivery.admin` may stand anywhere in the file."""
    loaded = settings("delivery: {admin: webhook:pager}\nwebhooks: {pager: {url: u}}\n")
    assert loaded.delivery.admin == "webhook:pager"


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    """`…_FILE` names the file; what is printed of the settings holds stars."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    loaded = settings(
        "slack: {app_token: very-secret}\nwebhooks: {x: {url: u, headers: {A: very-secret}}}\n",
        PULSEBOT_SLACK__BOT_TOKEN_FILE=str(tmp_path / "token"),
    )
    assert loaded.slack is not None
    assert loaded.slack.bot_token.get_secret_value() == TOKEN
    assert (
        "very-secret" not in f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"slack: {TOKEN}\n",
        f"telegram: {{token: [{TOKEN}]}}\n",
        f"webhooks: {{x: {TOKEN}}}\n",
        f"slack: {{bot_token: {TOKEN}, mode: sokcet}}\n",
    ],
)
def test_a_fault_beside_a_secret_does_not_show_it(text: str) -> None:
    """A token in the wrong place is not printed with the complaint."""
    assert TOKEN not in "\n".join(faults(text))


def test_the_environment_overrides_nested_values() -> None:
    """Sections by `__`, lists and mappings as JSON; the rest of the section stays."""
    loaded = settings(
        "telegram: {token: t, chats: {oncall: -100}}\nweb: {listen: 127.0.0.1:1}\n",
        PULSEBOT_TELEGRAM__CHATS__OPS="-200",
        PULSEBOT_WEB__LISTEN="[::1]:9000",
        PULSEBOT_ACCESS='{"slack": {"channels": ["C1"]}}',
        PULSEBOT_LOGS__LEVEL="debug",
    )
    assert loaded.telegram is not None
    assert loaded.telegram.chats == {"oncall": -100, "ops": "-200"}
    assert loaded.web is not None
    assert (loaded.web.address, loaded.logs.level) == (Address("::1", 9000), "debug")
    assert loaded.access["slack"].channels == ("C1",)


def test_the_environment_can_change_the_type_of_the_stream() -> None:
    """What the file says of the other type is left out; the rest of the file holds."""
    loaded = settings(
        "stream: {type: local, path: x.db}\ndatabase: y.db\n",
        PULSEBOT_STREAM__TYPE="kafka",
        PULSEBOT_STREAM__BOOTSTRAP='["kafka:9092"]',
    )
    assert isinstance(loaded.stream, KafkaStream)
    assert loaded.stream.bootstrap == ["kafka:9092"]
    assert loaded.database == Path("y.db")
    same = settings("stream: {type: local, path: x.db}\n", PULSEBOT_STREAM__TYPE="local")
    assert same.stream.type == "local"
    assert same.stream.path == Path("x.db")


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("publish: postgresql://bot@db/pulse", "all"),
        (
            "publish: {url: postgresql://bot@db/pulse, views: [TRIGGER_PER_DAY]}",
            ("TRIGGER_PER_DAY",),
        ),
    ],
)
def test_publish_may_be_an_address_alone(text: str, views: str | tuple[str, ...]) -> None:
    """Then all views are published; a list names those that are."""
    published = settings(text).publish
    assert published is not None
    assert published.url.get_secret_value() == "postgresql://bot@db/pulse"
    assert published.views == views


@pytest.mark.parametrize(
    "text",
    [
        "publish: mysql://bot:secret@db",
        "publish: postgresql://bot:secret/secret@db/x",
        "publish: postgresql://bot:se%zzcret@db/x",
    ],
)
def test_a_wrong_address_to_publish_to_is_not_shown(text: str) -> None:
    """Its fault is told with the mend; a password in it is not."""
    [fault] = faults(text)
    assert fault.startswith("pulsebot.yaml:1: `publish`: ")
    assert "postgresql://user:password@host:5432/database" in fault
    assert "cret" not in fault
