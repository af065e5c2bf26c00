/** Remotes over ssh, against Debian's sshd on the loopback, with keys made for the test. */

import { assertEquals, assertMatch } from "@std/assert";
import { e2e, exists, kill, until, type World } from "./harness.ts";
import { deliver, deployedAt, failedAs, site } from "./harness/engine.ts";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find(exists);
const NEEDS_SSHD = SSHD === undefined ? "sshd is not installed" : undefined;

/** A key pair without a passphrase; gives back the private one's path. */
async function makeKey(world: World, name: string): Promise<string> {
  const path = world.file(name);
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path];
  assertEquals((await new Deno.Command("ssh-keygen", { args }).output()).code, 0);
  return path;
}

/** A port that was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

interface Forge {
  url: (path: string) => string;
  key: string;
  stranger: string;
  knownHosts: string;
}

/** An sshd that lets one key in, as the user of the test. */
async function forge(world: World): Promise<Forge> {
  const [host, key, stranger] = [
    await makeKey(world, "host_key"),
    await makeKey(world, "deploy_key"),
    await makeKey(world, "stranger_key"),
  ];
  const port = freePort();
  const authorized = world.file("authorized_keys");
  Deno.copyFileSync(`${key}.pub`, authorized);
  Deno.writeTextFileSync(
    world.file("sshd_config"),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${host}`,
      `AuthorizedKeysFile ${authorized}`,
      `PidFile ${world.file("sshd.pid")}`,
      "AuthenticationMethods publickey",
      "PermitRootLogin prohibit-password",
      "StrictModes no",
      "UsePAM no",
      "",
    ].join("\n"),
  );
  // Debian's sshd wants this folder to be there.
  if (Deno.uid() === 0) Deno.mkdirSync("/run/sshd", { recursive: true });
  const sshd = new Deno.Command(SSHD!, {
    args: ["-D", "-e", "-f", world.file("sshd_config")],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  world.onEnd(async () => {
    kill(sshd.pid, "SIGTERM");
    await sshd.status;
  });
  await until(async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  }, "sshd listens");
  const [type, blob] = Deno.readTextFileSync(`${host}.pub`).split(" ");
  const knownHosts = world.file("known_hosts");
  Deno.writeTextFileSync(knownHosts, `[127.0.0.1]:${port} ${type} ${blob}\n`);
  const user = new TextDecoder().decode(
    new Deno.Command("id", { args: ["-un"] }).outputSync().stdout,
  );
  return {
    url: (path) => `ssh://${user.trim()}@127.0.0.1:${port}${path}`,
    key,
    stranger,
    knownHosts,
  };
}

for (const strategy of ["pull", "release"] as const) {
  e2e(
    `engine: ${strategy} over ssh deploys with ssh_key and known_hosts`,
    async (world) => {
      const { url, key, knownHosts } = await forge(world);
      const app = await site(world, {
        strategy,
        url: ({ path }) => url(path),
        repository: { ssh_key: key, known_hosts: knownHosts },
      });
      const tip = await app.remote.push();
      const answer = await deliver(app, { wait: "60s" });
      assertEquals(answer.json.outcome, "deployed", answer.text);
      await deployedAt(app, tip);
    },
    { skip: NEEDS_SSHD },
  );
}

/** A service whose remote refuses it; waits for the failure's log line. */
async function refused(world: World, repository: (forge: Forge) => Record<string, unknown>) {
  const remote = await world.remote();
  const made = await forge(world);
  const app = {
    path: world.file("srv/app"),
    secret: world.secret(),
    remote: made.url(remote.path),
    poll: "off",
    ...repository(made),
  };
  const service = await world.start({ repositories: { app } });
  return { service, made };
}

e2e(
  "engine: ssh with a key that the forge does not know fails as authentication, and asks nothing",
  async (world) => {
    const { service } = await refused(world, ({ stranger, knownHosts }) => ({
      ssh_key: stranger,
      known_hosts: knownHosts,
    }));
    const line = await failedAs(service, "authentication");
    assertMatch(String(line.hint), /deploy key/);
  },
  { skip: NEEDS_SSHD },
);

e2e(
  "engine: ssh to a host whose key is unknown fails with a hint, and trusts nobody",
  async (world) => {
    const empty = world.file("empty_known_hosts");
    Deno.writeTextFileSync(empty, "");
    const { service } = await refused(world, ({ key }) => ({ ssh_key: key, known_hosts: empty }));
    const line = await failedAs(service, "host-key");
    assertMatch(String(line.hint), /ssh-keyscan/);
    assertEquals(Deno.readTextFileSync(empty), "", "the list of known hosts");
  },
  { skip: NEEDS_SSHD },
);

e2e(
  "engine: ssh to a host whose key has changed fails with a hint",
  async (world) => {
    const other = world.file("other_known_hosts");
    const { service } = await refused(world, ({ key, stranger, knownHosts }) => {
      const [host] = Deno.readTextFileSync(knownHosts).split(" ");
      const [type, blob] = Deno.readTextFileSync(`${stranger}.pub`).split(" ");
      Deno.writeTextFileSync(other, `${host} ${type} ${blob}\n`);
      return { ssh_key: key, known_hosts: other };
    });
    await failedAs(service, "host-key");
  },
  { skip: NEEDS_SSHD },
);
