"""Search every file that git tracks, or would add, for secrets, and lock files for registry hosts.

What to look for and where not to. detect-secrets decides what a secret looks like. Nothing is sent anywhere:
detect-secrets' verification of findings over the network is not enabled. A false positive gets `pragma: allowlist
secret` in a comment on its line.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from detect_secrets.core.plugins.initialize import from_plugin_classname
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parents[1]

PLUGINS = [
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
]
# Guesses by name and by randomness. Tests and samples are full of made-up passwords and hashes, so these search only
# shipped code and configuration.
GUESSING: list[dict[str, Any]] = [
    {"name": "KeywordDetector", "keyword_exclude": "detect-secrets"},
    {"name": "HexHighEntropyString", "limit": 3.0},
    {"name": "Base64HighEntropyString", "limit": 4.5},
]
FILTERS = [
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_likely_id_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_templated_secret",
]

# The servers' own shapes, which no general tool knows: Medusa's secret key, and Frappe's "token key:secret".
OWN_SHAPES = {
    "Medusa secret API key": re.compile(r"\bsk_[0-9a-f]{64}\b"),
    "Frappe API key and secret": re.compile(r"\btoken [0-9a-f]{15}:[0-9a-f]{15}\b"),
}

LOCK_FILES = {"package-lock.json", "constraints.txt"}
INSTALL_FILES = LOCK_FILES | {".npmrc", "pyproject.toml"}
REGISTRY_HOST = re.compile(
    r'"resolved":\s*"https?://|registry\s*=\s*"?https?://|--(extra-)?index-url|--find-links|@ https?://'
)


def repository_files() -> list[str]:
    """Return the files that git tracks or would add."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = listing.stdout.decode().split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def is_made_up(name: str) -> bool:
    """Return whether findings in this file are made-up values: tests, the sandbox, lock files."""
    return name.startswith(("tests/", "erp_medusa_sandbox/")) or Path(name).name in LOCK_FILES


def suspects(files: list[str]) -> list[str]:
    """Return the files in which any shape of PLUGINS occurs. detect-secrets would ask each plugin about each line."""
    shapes = [
        re.compile(shape.pattern, shape.flags | re.MULTILINE)
        for name in PLUGINS
        for shape in cast(RegexBasedDetector, from_plugin_classname(name)).denylist
    ]
    texts = ((name, (ROOT / name).read_text(encoding="utf-8", errors="replace")) for name in files)
    return [name for name, text in texts if any(shape.search(text) for shape in shapes)]


def scan(files: list[str], plugins: list[dict[str, Any]]) -> list[str]:
    """Look for secrets with these plugins of detect-secrets."""
    filters = [{"path": path} for path in FILTERS]
    findings = SecretsCollection(root=str(ROOT))
    with transient_settings({"plugins_used": plugins, "filters_used": filters}):
        for name in files:
            findings.scan_file(name)
    return [f"{name}:{secret.line_number}: {secret.type}" for name, secret in findings]


def own_shapes(name: str) -> list[str]:
    """Look for Medusa and ERPNext keys, which no plugin recognises."""
    text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if "pragma: allowlist secret" not in line:
            found += [f"{name}:{number}: {kind}" for kind, shape in OWN_SHAPES.items() if shape.search(line)]
        if Path(name).name in INSTALL_FILES and REGISTRY_HOST.search(line):
            found.append(f"{name}:{number}: names the host that packages come from; every machine decides that itself")
    return found


def main() -> int:
    """Scan the repository; the exit code is 1 when something is found."""
    files = repository_files()
    findings = scan(suspects(files), [{"name": name} for name in PLUGINS])
    findings += scan([name for name in files if not is_made_up(name)], GUESSING)
    findings += [line for name in files for line in own_shapes(name)]
    for line in sorted(set(findings)):
        print(line)
    if findings:
        print("Take it out; revoke a real secret. If it is none, comment its line 'pragma: allowlist secret'.")
        return 1
    print(f"No secrets in {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
