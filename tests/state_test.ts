import { assertEquals, assertThrows } from "@std/assert";
import { openState, StateError } from "../lib/state.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";

const OPTIONS = { wall: () => 0, onTrouble: () => {} };

Deno.test("openState() makes the directory for its owner alone", async () => {
  await inTemporaryDirectory((directory) => {
    const state = openState(`${directory}/deep/state`, OPTIONS);
    assertEquals(Deno.statSync(`${directory}/deep/state`).mode! & 0o777, 0o700);
    assertEquals(state.ledger.nextId(), 1);
    state.close();
    return Promise.resolve();
  });
});

Deno.test("openState() refuses a directory that another service has, until that one gives it up", async () => {
  await inTemporaryDirectory((directory) => {
    const first = openState(directory, OPTIONS);
    assertThrows(() => openState(directory, OPTIONS), StateError, "another hook runs with");
    first.close();
    openState(directory, OPTIONS).close();
    return Promise.resolve();
  });
});

Deno.test("openState() gives the directory up where the ledger is too new", async () => {
  await inTemporaryDirectory(async (directory) => {
    openState(directory, OPTIONS).close();
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(`${directory}/ledger.db`);
    database.exec("PRAGMA user_version = 99");
    assertThrows(() => openState(directory, OPTIONS), Error, "newer version");
    database.exec("PRAGMA user_version = 1");
    database.close();
    openState(directory, OPTIONS).close();
  });
});

Deno.test("openState() goes on without history where there can be no directory", async () => {
  await inTemporaryDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    const troubles: string[] = [];
    const state = openState(`${directory}/file/state`, {
      ...OPTIONS,
      onTrouble: (message) => troubles.push(message),
    });
    assertEquals(troubles, ["the ledger cannot be opened, so nothing is remembered"]);
    state.close();
    return Promise.resolve();
  });
});
