"""The command line's calls to the HTTP API: one deadline, one way to show a problem."""

from typing import Any

import httpx
import typer

# 10 s: the slowest answer waits 2 s for the ledger and 2 s for a projection.
TIMEOUT_SECONDS = 10.0


def call(
    method: str,
    url: str,
    api_key: str | None = None,
    *,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:  # noqa: ANN401  JSON of any shape
    """Make one call and give its JSON.

    Raises: typer.Exit after printing the problem's sentence and remedy.
    """
    sent = dict(headers or {})
    if api_key is not None:
        sent["Authorization"] = f"Bearer {api_key}"
    try:
        answer = httpx.request(method, url, json=body, headers=sent, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        typer.echo(f"{url} does not answer: {error}. Is `tape up` running?", err=True)
        raise typer.Exit(code=1) from error
    if answer.is_success:
        return answer.json() if answer.content else None
    typer.echo(problem_text(answer), err=True)
    raise typer.Exit(code=1)


def problem_text(answer: httpx.Response) -> str:
    """Write a problem document in one or two lines."""
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}: {answer.text[:300]}"
    lines = [f"{problem.get('code', answer.status_code)}: {problem.get('detail', '')}"]
    lines += [
        f"  {fault.get('field')}: {fault.get('problem')} {fault.get('remedy', '')}"
        for fault in problem.get("errors", [])
    ]
    if problem.get("suggested_action"):
        lines.append(problem["suggested_action"])
    return "\n".join(lines)
