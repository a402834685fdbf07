// POSIX paths as text: joining, and the check that a path from a user stays inside its root.

/** Joins with single slashes; does not resolve `..`. */
export function join(...parts: readonly string[]): string {
  return parts
    .filter((part) => part !== "")
    .join("/")
    .replace(/\/{2,}/g, "/");
}

/** A user's path as one below a root, `..` resolved; null when it would leave the root. */
export function withinRoot(path: string): string | null {
  if (path.includes("\0")) return null;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join("/");
}

/** The path as one that starts at the root, given the folder that it is seen from. `..` stays: behind a link it means another place. */
export function pathFrom(folder: string, path: string): string {
  return path.startsWith("/") ? path : join(folder, path.replace(/^(\.\/+)+/, ""));
}
