// What holds for every tracked file of the repository, whatever its language.
import { type Check, problemAt, problemsOf } from "./source.ts";

/** A clone builds anywhere: no file names the machine it was written on, or where packages come from. */
export const checkPlaces: Check = (source) => [
  ...problemsOf(
    source,
    "text",
    // A test may need the superuser's home as an example of a path.
    source.path.endsWith(".test.ts") ? /(?<![\w$}.~/-])\/work\/\S*/g : /(?<![\w$}.~/-])\/(?:work|root)\/\S*/g,
    (found) => `${found} is a path of one machine: derive it from the repository's root`,
  ),
  ...problemsOf(
    source,
    "text",
    packageHosts,
    (found) => `${found}: package hosts come from the user's own configuration of npm, pip or apt; remove it`,
  ),
];

/** Dependencies are exact: an update is a commit. */
export const checkVersions: Check = (source) => {
  if (source.path !== "package.json") return [];
  const manifest = JSON.parse(source.text) as Readonly<Record<string, unknown>>; // read by npm, which is stricter
  const groups = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
  return groups
    .flatMap((group) => Object.entries((manifest[group] ?? {}) as Readonly<Record<string, string>>))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
    .map(([name, version]) => problemAt(source, source.text.indexOf(`"${name}"`), `${name} "${version}": pin one exact version (npm install -E)`));
};

// --- internal ---

const packageHosts =
  /\b(?:registry\.npmjs|registry\.yarnpkg|(?:deb|security|snapshot)\.debian|pypi|files\.pythonhosted|crates|static\.crates|proxy\.golang)\.(?:org|io|com)\b/g;
