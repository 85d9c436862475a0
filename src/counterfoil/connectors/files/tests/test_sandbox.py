"""The sandbox over HTTP: what `counterfoil sandbox up` offers."""

from __future__ import annotations

import aiohttp

from counterfoil.connectors.files.sandbox import FilesSandbox


async def test_files_are_put_in_listed_and_read_over_http_and_the_folder_is_gone_afterwards() -> None:
    sandbox = FilesSandbox()
    url = await sandbox.start()
    (sandbox.outbox / "post_entry.jsonl").write_text("{}\n")
    async with aiohttp.ClientSession(url) as session:
        put = await session.put("/inbox/customers.csv", data="id,name\n1,a\n")
        bad = await session.put("/inbox/..%2Fevil.csv", data="")
        listed = await (await session.get("/files")).json()
        read = await (await session.get("/outbox/post_entry.jsonl")).text()
        missing = await session.get("/outbox/none.jsonl")
        details = await (await session.get("/_control")).json()
    assert (put.status, bad.status, missing.status) == (201, 400, 404)
    assert listed == {"inbox": ["customers.csv"], "outbox": ["post_entry.jsonl"]}
    assert read == "{}\n"
    assert details["inbox"] == str(sandbox.inbox)
    folder = sandbox.folder
    await sandbox.stop()
    assert not folder.exists()
