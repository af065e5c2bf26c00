/** One place to deploy: a bare remote, a checkout of it, and an author who pushes new commits. */
import { environment } from "./process.ts";

/** Files in the repository, so that a merge has an index worth the name to look at. */
const FILES = 50;

export interface Site {
  /** The folder that holds everything of this site. */
  readonly dir: string;
  readonly remote: string;
  readonly checkout: string;
  readonly home: string;
  readonly secret: string;
  /** Commits and pushes a change; resolves to the new commit and the text `deployed()` then reads. */
  push(): Promise<{ commit: string; text: string }>;
  /** What the checkout shows at this moment: the content of the file that every push changes. */
  deployed(): string;
  /** Whether the checkout is at `commit`, with nothing modified and no lock left behind. */
  intact(commit: string): Promise<boolean>;
}

/** Files in a directory; git compares trees directory by directory. */
const FILES_A_DIRECTORY = 100;

/** Makes a site below `parent`; the caller removes `parent`. */
export async function makeSite(parent: string, files = FILES): Promise<Site> {
  const dir = await Deno.makeTempDir({ dir: parent, prefix: "site-" });
  const home = `${dir}/home`;
  const remote = `${dir}/remote.git`;
  const author = `${dir}/author`;
  const checkout = `${dir}/checkout`;
  await Deno.mkdir(home);
  await Deno.writeTextFile(
    `${home}/.gitconfig`,
    "[user]\n\tname = Bench\n\temail = bench@example.com\n[init]\n\tdefaultBranch = main\n" +
      "[pull]\n\tff = only\n",
  );
  const git = (cwd: string, ...args: string[]) => runGit(home, cwd, args);

  await git(dir, "init", "--quiet", "--bare", remote);
  await git(dir, "clone", "--quiet", remote, author);
  for (let n = 0; n < files; n++) {
    const directory = `${author}/pages/${Math.floor(n / FILES_A_DIRECTORY)}`;
    if (n % FILES_A_DIRECTORY === 0) await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(`${directory}/page-${n}.html`, `<h1>Page ${n}</h1>\n`.repeat(40));
  }
  let pushes = 0;
  const push = async () => {
    const text = `push ${++pushes}\n`;
    await Deno.writeTextFile(`${author}/VERSION`, text);
    await git(author, "add", "--all");
    await git(author, "commit", "--quiet", "--message", text.trim());
    await git(author, "push", "--quiet", "origin", "HEAD:main");
    return { commit: (await git(author, "rev-parse", "HEAD")).trim(), text };
  };
  await push();
  await git(dir, "clone", "--quiet", remote, checkout);

  return {
    dir,
    remote,
    checkout,
    home,
    secret: crypto.randomUUID(),
    push,
    deployed() {
      try {
        return Deno.readTextFileSync(`${checkout}/VERSION`);
      } catch {
        // git replaces the file; between the two it is not there.
        return "";
      }
    },
    async intact(commit) {
      const locked = await Deno.stat(`${checkout}/.git/index.lock`).catch(() => undefined);
      const head = (await git(checkout, "rev-parse", "HEAD")).trim();
      const changes = await git(checkout, "status", "--porcelain");
      return locked === undefined && head === commit && changes === "";
    },
  };
}

/** Where releases of a site go, for those who make any. */
export function releasesOf({ dir }: Site): string {
  return `${dir}/releases`;
}

async function runGit(home: string, cwd: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args,
    cwd,
    env: environment(home),
    clearEnv: true,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`git ${args.join(" ")} failed: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}
