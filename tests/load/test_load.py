"""Load: good manifests become what they say, bad ones name every fault and its mend."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain.manifest import (
    Agent,
    HouseRules,
    Manifest,
    McpServer,
    Provider,
    Settings,
    Subleads,
)
from leadhand.domain.money import NANO, Price
from leadhand.errors import ManifestError
from leadhand.load import SIZE_MAX, load, parse
from leadhand.load.section import FAULTS_MAX

DATA = Path(__file__).parents[1] / "data"
SEEDS = {name: (DATA / name).read_text() for name in ("seed_hierarchical.toml", "seed_leads.toml")}
LEAD = '[lead]\nmodel = "m"\nprompt = "Do it."\n'
RULES = "[run]\nmax_workers = 4\nbudget_usd = 1\n"


def bad_manifests() -> list[tuple[str, str, str]]:
    """The table of bad manifests: what is wrong in words, the text, the message.

    Entries are parted by lines of =====; the message is what follows `--> `.
    """
    entries = []
    for entry in (DATA / "bad_manifests.txt").read_text().split("=====\n"):
        title, *lines = entry.splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("--> "))
        message = "".join(line.removeprefix("--> ") for line in lines if line.startswith("--> "))
        entries.append((title.strip(), text, message.rstrip("\n")))
    return entries


BAD = bad_manifests()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder of the manifests: ABOVE/BASE."""
    folder = (tmp_path / "base").resolve()
    folder.mkdir()
    (folder / "a_file").touch()
    (folder / "a_loop").symlink_to("a_loop")
    return folder


def faults(text: str, base: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(text, "m.toml", base)
    return str(caught.value).splitlines()


def manifest(text: str, base: Path) -> Manifest:
    return parse(text, "m.toml", base).manifest


# Bad manifests


@pytest.mark.parametrize(("text", "message"), [pytest.param(t, m, id=i) for i, t, m in BAD])
def test_a_bad_manifest_names_each_fault_with_its_line_and_mend(
    text: str, message: str, base: Path
) -> None:
    wanted = message.replace("BASE", str(base)).replace("ABOVE", str(base.parent))
    assert "\n".join(faults(text, base)) == wanted


def test_the_table_of_bad_manifests_is_long_and_has_no_entry_twice() -> None:
    assert len(BAD) >= 120
    assert len({title for title, _, _ in BAD}) == len({text for _, text, _ in BAD}) == len(BAD)


def test_a_fault_says_where_it_is_in_parts(base: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(LEAD + '[agents.reviewer]\ntools = ["Read",\n"Rite"]', "m.toml", base)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.key) == ("m.toml", 6, "agents.reviewer.tools[1]")
    assert (fault.message, fault.mend) == ('unknown tool "Rite"', 'Did you mean "Write"?')


def test_long_arrays_and_tables_are_refused_whole(base: Path) -> None:
    many = ", ".join(['"Read"'] * 257)
    variables = "".join(f'V{number} = "1"\n' for number in range(257))
    agents = "".join(f"[agents.a{number}]\n" for number in range(257))
    assert faults(f"{LEAD}tools = [{many}]\n[lead.env]\n{variables}{agents}", base) == [
        "m.toml:4: lead.tools: has 257 entries, at most 256 are allowed",
        "m.toml:5: lead.env: has 257 entries, at most 256 are allowed",
        "m.toml:263: agents: has 257 entries, at most 256 are allowed",
    ]


def test_a_variable_may_not_be_longer_than_a_process_can_be_given(base: Path) -> None:
    text = f'{LEAD}env.NOTE = "{"é" * 20_000}"'
    assert faults(text, base) == ["m.toml:4: lead.env.NOTE: is longer than 32 KiB"]


def test_faults_beyond_a_hundred_are_only_counted(base: Path) -> None:
    found = faults("".join(f"max_worker_{n} = {n}\n" for n in range(5_000)) + LEAD, base)
    assert len(found) == FAULTS_MAX + 1
    assert found[-1] == "m.toml: and 4900 more faults"


def test_what_a_manifest_holds_cannot_write_on_the_terminal(base: Path) -> None:
    text = f'{LEAD}"\\u001b[31m\\u009b" = 1\ntools = ["\\u001b]0;title\\u0007", "{"x" * 999}"]'
    text += '\n[run]\nbudget_usd = "\\u202E"\n'
    found = faults(text, base)
    assert all(fault.isprintable() and len(fault) < 500 for fault in found), found


# Files


def test_a_file_is_loaded_with_its_own_folder_as_directory(base: Path) -> None:
    path = base / "m.toml"
    path.write_text(RULES + LEAD)
    loaded = load(path)
    assert loaded.manifest.lead.settings.directory == str(base)
    assert loaded.text == RULES + LEAD
    assert loaded.warnings == []


def test_a_relative_path_names_the_file_in_faults(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base)
    Path("m.toml").write_text(LEAD + 'directory = "nowhere"')
    with pytest.raises(
        ManifestError, match=r'^m\.toml:4: lead\.directory: "/.*/base/nowhere" does'
    ):
        load(Path("m.toml"))


def test_a_file_may_begin_with_a_byte_order_mark_and_end_lines_as_windows_does(base: Path) -> None:
    path = base / "m.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (RULES + LEAD).replace("\n", "\r\n").encode())
    assert load(path).manifest.lead.prompt == "Do it."
    path.write_bytes(path.read_bytes() + b"max_worker = 4\r\n")
    with pytest.raises(ManifestError, match=r"m\.toml:7: lead\.max_worker: unknown key"):
        load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.toml", "there is no such file. Check its path"),
        ("a_file/m.toml", "cannot be read: Not a directory"),
        ("a\0b.toml", "cannot be read: embedded null byte"),
        ("a_loop", "cannot be read: Too many levels of symbolic links"),
        ("x" * 300, "cannot be read: File name too long"),
        (".", "is a directory. Name the manifest in it"),
        ("a_pipe", "is not a regular file"),
        ("latin.toml", "is not UTF-8 text. Save it as UTF-8"),
        ("large.toml", "is larger than 1024 KiB. Put long material into files"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault(name: str, message: str, base: Path) -> None:
    os.mkfifo(base / "a_pipe")
    (base / "latin.toml").write_bytes((LEAD + "# \xfc").encode("latin-1"))
    (base / "large.toml").write_text(LEAD + "#" * SIZE_MAX)
    with pytest.raises(ManifestError) as caught:
        load(base / name)
    (fault,) = caught.value.faults
    assert fault.file == str(base / name)
    assert fault.line == (4 if name == "latin.toml" else 0)
    assert f"{fault.message}. {fault.mend}".startswith(message)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_is_a_fault(base: Path) -> None:
    path = base / "m.toml"
    path.write_text(LEAD)
    path.chmod(0)
    with pytest.raises(ManifestError, match="cannot be read: Permission denied"):
        load(path)


def test_a_text_that_is_no_unicode_or_too_large_is_a_fault(base: Path) -> None:
    assert faults(LEAD + "# \ud800", base) == ["m.toml: is not UTF-8 text. Save it as UTF-8"]
    assert faults(LEAD + "#" * SIZE_MAX, base)[0].startswith("m.toml: is larger than 1024 KiB")


# Seeds


def test_the_hierarchical_seed_has_no_fault_but_its_directory(base: Path) -> None:
    (fault,) = faults(SEEDS["seed_hierarchical.toml"], base)
    assert fault.startswith('m.toml:10: lead.directory: "/path/to/your/repo" does not exist. ')


def test_the_hierarchical_seed_is_clean_in_a_directory_that_exists(base: Path) -> None:
    text = SEEDS["seed_hierarchical.toml"].replace("/path/to/your/repo", str(base))
    loaded = parse(text, "m.toml", base)
    assert loaded.warnings == []
    assert loaded.manifest.house == HouseRules(4, 2 * NANO, 900)
    assert loaded.manifest.defaults == Settings(model="claude-haiku-4-5", use_worktree=False)
    assert loaded.manifest.lead.id == "digest"
    assert loaded.manifest.lead.settings == Settings(directory=str(base))
    assert loaded.manifest.lead.prompt.startswith("List the last 10 commits with:\ngit log ")
    assert loaded.manifest.lead.prompt.endswith("\nThen exit.\n")


def test_the_leads_seed_has_no_fault_but_its_directory(base: Path) -> None:
    text = SEEDS["seed_leads.toml"].replace("/tmp/audit-workdir", str(base / "workdir"))
    (fault,) = faults(text, base)
    assert fault.startswith(f'm.toml:4: lead.directory: "{base}/workdir" does not exist. ')


def test_the_leads_seed_is_warned_of_the_house_rules_that_it_does_not_set(base: Path) -> None:
    text = SEEDS["seed_leads.toml"].replace("/tmp/audit-workdir", str(base))
    loaded = parse(text, "m.toml", base)
    assert loaded.warnings == [
        "m.toml: run.max_workers: is not set, so the default holds: 4",
        "m.toml: run.budget_usd: is not set, so the default holds: 5.00 US dollars",
    ]
    assert loaded.manifest.house == HouseRules()
    assert loaded.manifest.lead.id == "security-audit"
    assert loaded.manifest.lead.settings.model == "claude-haiku-4-5"
    assert "\nWorker parameters:\nmodel = " in loaded.manifest.lead.prompt


# Good manifests


def test_every_key_arrives_where_it_belongs(base: Path) -> None:
    for name in ("repo", "other", "more"):
        (base / name).mkdir()
    loaded = parse((DATA / "every_key.toml").read_text(), "m.toml", base)
    lead, general = loaded.manifest.lead, loaded.manifest.defaults
    assert loaded.manifest.house == HouseRules(
        *(16, 1_250_000_001, 1800, 50, 0, "fail"),
        worktree_cleanup="never",
        dump_shared_store=True,
        max_output_tokens=8_000,
        max_agent_processes=3,
        min_free_memory_mb=100,
    )
    assert loaded.manifest.aliases == {"fast": "claude-haiku-4-5"}
    assert general == Settings(
        model="claude-haiku-4-5",
        harness="claude-code",
        effort="low",
        system="",
        tools=("Read", "Bash"),
        directory=str(base / "repo"),
        add_dirs=(str(base / "more"),),
        env={"STAGE": "test"},
        allow_hosts=("127.0.0.1:8080", "localhost", "*.internal", "10.0.0.0/8", "[::1]:80"),
        timeout_secs=600,
        max_turns=20,
        max_tokens=4096,
        compact_above_tokens=90_000,
        max_rss_mb=900,
        user_settings=True,
        budget_nanousd=NANO // 5,
        use_worktree=False,
        models=("claude-haiku-4-5", "claude-opus-4-5"),
    )
    assert (lead.id, lead.prompt) == ("digest-1.0_a", "Do it.")
    assert lead.settings == Settings(
        model="claude-sonnet-4-6",
        harness="api",
        effort="none",
        system="Coordinate.",
        tools=("Write", "Read"),
        directory=str(base / "other"),
        add_dirs=(),
        env={"EMPTY": "", "_x1": "$${HOME}"},
        allow_hosts=(),
        max_turns=200,
        max_tokens=8192,
        use_worktree=True,
        branch="digest/1.0_a",
    )
    assert loaded.manifest.subleads == Subleads(
        max_subleads=3,
        max_sublead_budget_nanousd=NANO,
        max_total_workers=20,
        max_depth=3,
        max_workers=8,
        read_down=True,
        settings=Settings(
            model="claude-sonnet-4-6",
            harness="api",
            effort="low",
            system="Lead a phase.",
            tools=("Read",),
            directory=str(base / "other"),
            add_dirs=(),
            env={"PHASE": "one"},
            allow_hosts=(),
            timeout_secs=900,
            max_turns=30,
            max_tokens=4096,
            compact_above_tokens=80_000,
            budget_nanousd=NANO * 3 // 4,
            use_worktree=False,
        ),
    )
    assert loaded.manifest.agents == {
        "reviewer": Agent(
            "Reads.",
            Settings(
                None,
                "claude-code",
                "max",
                "Be strict.",
                (),
                timeout_secs=60,
                budget_nanousd=NANO // 10,
            ),
        ),
        "plain": Agent(),
    }
    assert loaded.manifest.prices == {
        "gpt-5.1": Price(NANO, 5 * NANO, NANO // 10, 1_250_000_000),
        "local": Price(),
        "cache-untold": Price(NANO, 5 * NANO, NANO, NANO),
    }
    assert loaded.manifest.providers == {
        "anthropic": Provider("anthropic", "https://models.example.com", "OUR_PROXY_KEY"),
        "openai": Provider("openai"),
        "ollama": Provider("openai-chat", "http://127.0.0.1:11434/v1"),
        "vllm": Provider("openai", "http://[::1]:8000", "VLLM_KEY"),
        "mine": Provider("anthropic", "http://[::1]:8000", auth="login"),
    }
    (warning,) = loaded.warnings
    assert "notional" in warning
    assert loaded.manifest.mcp_servers == (
        McpServer(
            "tickets-2",
            command="sh",
            args=("--all",),
            directory=str(base),
            env={"STAGE": "test"},
            tools=("list_*", "get"),
            reads=("list_*",),
            timeout_secs=5,
            agents=("reviewer", "lead"),
        ),
        McpServer(
            "docs",
            directory=str(base),
            url="https://example.com/mcp",
            headers={"X-Project": "one"},
        ),
    )


def test_what_is_not_set_is_left_to_the_defaults(base: Path) -> None:
    found = manifest(RULES + LEAD, base)
    assert found.house == HouseRules(budget_nanousd=NANO)
    assert found.defaults == Settings()
    assert (found.lead.id, found.lead.prompt) == ("lead", "Do it.")
    assert found.lead.settings == Settings(model="m", directory=str(base))
    assert (found.agents, found.prices, found.providers) == ({}, {}, {})


def test_both_forms_of_a_lead_mean_the_same(base: Path) -> None:
    assert manifest(LEAD, base) == manifest(LEAD.replace("[lead]", "[[lead]]"), base)
    assert manifest(LEAD, base) == manifest('lead = {model = "m", prompt = "Do it."}', base)


def test_house_rules_may_stand_under_the_lead(base: Path) -> None:
    rules = "max_workers = 2\nbudget_usd = 0.5\nlead_timeout_secs = 60\nmax_total_spawns = 3\n"
    loaded = parse(LEAD + rules, "m.toml", base)
    assert loaded.manifest.house == HouseRules(2, NANO // 2, 60, 3)
    assert loaded.warnings == []
    assert loaded.manifest == parse(f"[run]\n{rules}{LEAD}", "m.toml", base).manifest


def test_house_rules_may_stand_twice_where_they_agree(base: Path) -> None:
    text = RULES + "lead_timeout_secs = 60\n" + LEAD
    text += "max_workers = 4\nbudget_usd = 1.00\ntimeout_secs = 60\nlead_timeout_secs = 60"
    assert manifest(text, base).house == HouseRules(4, NANO, 60)


def test_a_timeout_of_the_lead_is_its_deadline(base: Path) -> None:
    found = manifest(LEAD + "timeout_secs = 60", base)
    assert found.house.lead_timeout_secs == 60
    assert found.lead.settings.timeout_secs is None


def test_limits_of_workers_may_stand_under_run(base: Path) -> None:
    found = manifest("[run]\ntimeout_secs = 60\nmax_turns = 7\n" + LEAD, base)
    assert found.defaults == Settings(timeout_secs=60, max_turns=7)


@pytest.mark.parametrize(("workers", "warned"), [(1, False), (16, False), (17, True), (1000, True)])
def test_more_than_the_usual_workers_are_a_warning(workers: int, warned: bool, base: Path) -> None:
    text = f"[run]\nbudget_usd = 1\nmax_workers = {workers}\n{LEAD}"
    message = (
        "m.toml:3: run.max_workers: more than 16 workers at once strain rate limits and the machine"
    )
    assert parse(text, "m.toml", base).warnings == [message] * warned


def test_warnings_stand_in_the_order_of_their_lines(base: Path) -> None:
    text = LEAD + 'add_dirs = ["later"]\n[defaults]\nadd_dirs = ["too"]\n[run]\nmax_workers = 17'
    places = [warning.split(" ")[0] for warning in parse(text, "m.toml", base).warnings]
    assert places == ["m.toml:", "m.toml:4:", "m.toml:6:", "m.toml:8:"]


def test_a_worker_may_have_the_budget_of_the_whole_run(base: Path) -> None:
    found = manifest(f"{RULES}{LEAD}[agents.all]\nbudget_usd = 1.000", base)
    assert found.agents["all"].settings.budget_nanousd == found.house.budget_nanousd


def test_sub_leads_are_not_allowed_unless_the_manifest_says_so(base: Path) -> None:
    assert manifest(LEAD, base).subleads is None
    assert manifest(LEAD + "allow_subleads = false", base) == manifest(LEAD, base)
    assert manifest(LEAD + "allow_subleads = true", base).subleads == Subleads(max_depth=2)


def test_what_is_said_of_sub_leads_that_are_not_allowed_is_warned_of(base: Path) -> None:
    text = RULES + LEAD + "max_subleads = 2\nmax_depth = 3\n[sublead_defaults]\nmax_workers = 1"
    why = "has no effect, since allow_subleads is not true"
    assert parse(text, "m.toml", base).warnings == [
        f"m.toml:7: lead.max_subleads: {why}",
        f"m.toml:8: lead.max_depth: {why}",
        f"m.toml:9: sublead_defaults: {why}",
    ]


def test_figures_of_sub_leads_that_are_never_reached_are_warned_of(base: Path) -> None:
    text = RULES + LEAD + "allow_subleads = true\nmax_sublead_budget_usd = 99\nmax_depth = 1\n"
    text += "max_total_workers = 1\n[sublead_defaults]\nlead_timeout_secs = 9999"
    assert [each.split(": ", 1)[1] for each in parse(text, "m.toml", base).warnings] == [
        "lead.max_sublead_budget_usd: is never reached: the whole run has $1.00",
        "lead.max_depth: leaves no level for the workers of a sub-lead, so that there will be none",
        "lead.max_total_workers: max_workers, 4, is never reached: 1 are allowed in the whole run",
        "sublead_defaults.lead_timeout_secs: is never reached: the lead itself has 3600",
    ]


@pytest.mark.parametrize("depth", [1, 8])
def test_the_depth_is_from_1_to_8(depth: int, base: Path) -> None:
    found = manifest(f"{RULES}{LEAD}allow_subleads = true\nmax_depth = {depth}", base)
    assert found.subleads == Subleads(max_depth=depth)


def test_a_branch_without_a_worktree_is_warned_of(base: Path) -> None:
    found = parse(f'{RULES}{LEAD}branch = "x"\nuse_worktree = false', "m.toml", base).warnings
    assert found == ["m.toml:7: lead.branch: has no effect, since use_worktree is false"]


def test_an_added_directory_need_not_exist_yet(base: Path) -> None:
    loaded = parse(RULES + LEAD + 'add_dirs = [".",\n"later"]', "m.toml", base)
    assert loaded.manifest.lead.settings.add_dirs == (str(base), str(base / "later"))
    assert loaded.warnings == [f'm.toml:8: lead.add_dirs[1]: "{base}/later" does not exist yet']


def test_a_tool_that_nobody_has_by_default_may_be_given(base: Path) -> None:
    loaded = parse(RULES + LEAD + 'tools = ["WebFetch", "Read"]', "m.toml", base)
    assert loaded.manifest.lead.settings.tools == ("WebFetch", "Read")
    assert loaded.warnings == []


def test_hosts_that_are_not_public_may_be_allowed_to_all_or_to_some(base: Path) -> None:
    text = LEAD + 'allow_hosts = ["a:80"]\n[defaults]\nallow_hosts = ["b"]\n'
    found = manifest(text + '[agents.x]\nallow_hosts = ["*.c"]', base)
    assert found.lead.settings.allow_hosts == ("a:80",)
    assert found.defaults.allow_hosts == ("b",)
    assert found.agents["x"].settings.allow_hosts == ("*.c",)


def test_paths_may_begin_with_the_home_or_lead_through_links(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base / "repo").mkdir()
    (base / "link").symlink_to("repo")
    monkeypatch.setenv("HOME", str(base))
    for directory in ("~/repo", "repo", "./link/../repo", "link", str(base / "repo")):
        found = manifest(f'{LEAD}directory = "{directory}"', base)
        assert found.lead.settings.directory == str(base / "repo")


def test_the_defaults_give_the_lead_its_model_and_directory(base: Path) -> None:
    (base / "repo").mkdir()
    found = manifest('[defaults]\nmodel = "m"\ndirectory = "repo"\n[lead]\nprompt = "p"', base)
    assert found.lead.settings == Settings(directory=str(base / "repo"))
    assert found.defaults == Settings(model="m", directory=str(base / "repo"))


def test_a_scripted_model_may_stand_in_a_folder_with_spaces(base: Path) -> None:
    text = LEAD.replace('"m"', '"script:/my models/model.py:reply"')
    assert manifest(text, base).lead.settings.model == "script:/my models/model.py:reply"


@given(st.integers(1, 999_999_999 * NANO))
def test_a_budget_is_kept_to_the_nano_dollar(nanousd: int) -> None:
    dollars = f"{nanousd // NANO}.{nanousd % NANO:09}"
    assert (
        manifest(f"[run]\nbudget_usd = {dollars}\n{LEAD}", Path("/")).house.budget_nanousd
        == nanousd
    )
