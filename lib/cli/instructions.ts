/**
 * What to do once a repository is in the configuration: where in the forge to paste what.
 *
 * @module
 */

import type { Config } from "../config.ts";
import type { Provider } from "../providers/provider.ts";
import { deliveryUrls } from "../service.ts";
import type { RepositoryName } from "../values.ts";

/** The repository that was added. */
export interface Added {
  readonly name: RepositoryName;
  readonly provider: Provider;
  readonly branch?: string;
}

/** Where it was added, and the secret that was made for it. */
export interface Where {
  readonly config: Config;
  readonly secret: string;
  readonly secretFile: string;
}

/** The text for people: the URL, the secret, and the forge's own names of menus and fields. */
export function instructions(
  { name, provider, branch = "main" }: Added,
  { config, secret, secretFile }: Where,
): string {
  const url = deliveryUrls(config).find((each) => each.endsWith(`/hooks/${name}`))!;
  const { title, setup: { menu, fields, note, file } } = provider;
  const filled = (text: string) =>
    text.replaceAll("{url}", url).replaceAll("{secret}", secret).replaceAll("{branch}", branch);
  const parts = [
    `added "${name}" to ${config.file}`,
    [
      `URL path  /hooks/${name}`,
      `URL       ${url}`,
      `secret    ${secret}`,
      `          kept in ${secretFile}`,
    ].join("\n"),
    [
      `At ${title}: ${menu}`,
      ...fields.map(([field, value]) => `  ${field}: ${filled(value)}`),
    ].join("\n"),
    file && `In the repository, in ${file.name}:\n\n${filled(file.text)}`,
    note,
    `Then see whether all is well, and start or reload the service: hook check ${name}`,
  ];
  return parts.filter((part) => part !== undefined).map((part) => `${part.trimEnd()}\n`).join("\n");
}
