// A `mount` block of a docker task: a folder bound in, a volume of the engine, or memory.

import type { ConfigReader } from "../config-reader.ts";

export type MountConfig = ReturnType<typeof readMount>;

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

export function readMount(mount: ConfigReader) {
  const type = mount.choice("type", ["bind", "volume", "tmpfs"]) || "volume";
  const target = mount.string("target");
  if (!target.startsWith("/") && !target.includes("${"))
    mount.report("target", 'docker config "mount" needs "target", an absolute path in the container');
  const source = mount.string("source");
  if (type === "bind" && source === "") mount.report("source", 'docker config "mount" of type "bind" needs "source"');
  if (type === "tmpfs" && source !== "") mount.report("source", 'docker config "mount" of type "tmpfs" has no "source"');
  const [bind, tmpfs, volume] = [mount.block("bind_options"), mount.block("tmpfs_options"), mount.block("volume_options")];
  const driver = volume.block("driver_config");
  return {
    type,
    target,
    source,
    isReadOnly: mount.bool("readonly"),
    propagation: bind.choice("propagation", PROPAGATIONS),
    tmpfsSizeBytes: tmpfs.int("size"),
    tmpfsMode: tmpfs.int("mode", 0, 0o7777),
    isNoCopy: volume.bool("no_copy"),
    volumeLabels: volume.map("labels"),
    volumeDriver: driver.string("name"),
    volumeDriverOptions: driver.map("options"),
  };
}
