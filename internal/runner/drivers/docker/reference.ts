// Names of images: registry, repository, tag or digest, as the engine reads them.

export interface ImageReference {
  /** "docker.io" where the name has none. */
  readonly registry: string;
  /** What to ask the engine for, without tag and digest, as it was written. */
  readonly name: string;
  /** A tag, or a digest such as "sha256:..."; "latest" where neither is given. */
  readonly tag: string;
  readonly isDigest: boolean;
}

/** Null when it is no name of an image. */
export function parseReference(text: string): ImageReference | null {
  if (text.length > REFERENCE_CHARS_MAX) return null;
  const match = /^(?:https?:\/\/)?([^@\s]+?)(?::([\w][\w.-]{0,127}))?(?:@([a-z0-9]+:[0-9a-f]{32,128}))?$/.exec(text);
  const name = match?.[1] ?? "";
  if (!/^(?:[A-Za-z0-9.-]+(?::\d+)?\/|\[[0-9a-f:]+\](?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/.test(name)) return null;
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const digest = match?.[3];
  return {
    registry: hasRegistry ? first : "docker.io",
    name,
    tag: digest ?? match?.[2] ?? "latest",
    isDigest: digest !== undefined,
  };
}

/** The name under which the engine knows it. */
export function referenceText(reference: ImageReference): string {
  return `${reference.name}${reference.isDigest ? "@" : ":"}${reference.tag}`;
}

// --- internal ---

const REFERENCE_CHARS_MAX = 1024;
