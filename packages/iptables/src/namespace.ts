import { open, stat, statfs } from 'node:fs/promises';
import { IptablesError } from './errors.ts';

/** A network namespace: a path such as `/proc/123/ns/net` or `/run/netns/x`, or an open descriptor of one (not closed). */
export type NamespaceRef = string | { readonly fd: number };

const CURRENT_NAMESPACE = '/proc/self/ns/net';

/** A namespace held open for as long as it is worked on, so that its path may vanish or be reused meanwhile. */
export interface OpenNamespace {
  /** Valid until the callback of {@link withNamespace} settles. */
  readonly fd: number;
  /** For messages: the path, or `fd 12`. */
  readonly label: string;
  /** Device and inode: equal for all paths and descriptors of one namespace, and no other's while it is open. */
  readonly identity: string;
  /** Where this process is, so that there is no need to enter it. */
  readonly current?: true;
}

/** `NSFS_MAGIC` of linux/magic.h: what a namespace file's file system says it is. */
const NSFS_MAGIC = 0x6e73_6673;

/**
 * Runs `work` with the namespace open; without `ref` that is the one this process is in. Throws
 * `IPTABLES_NAMESPACE_GONE` if it does not exist, `IPTABLES_PERMISSION` if it may not be opened, and whatever `work`
 * throws.
 */
export async function withNamespace<R>(
  ref: NamespaceRef | undefined,
  work: (namespace: OpenNamespace) => Promise<R>,
): Promise<R> {
  if (typeof ref === 'object') {
    const label = `fd ${ref.fd}`;
    const identity = await identify(`/proc/self/fd/${ref.fd}`, label);
    return work({ fd: ref.fd, label, identity });
  }
  const path = ref ?? CURRENT_NAMESPACE;
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw openError(path, cause);
  });
  try {
    const identity = await identify(`/proc/self/fd/${file.fd}`, path);
    return await work({ fd: file.fd, label: path, identity, ...(ref === undefined ? { current: true } : {}) });
  } finally {
    await file.close();
  }
}

async function identify(path: string, label: string): Promise<string> {
  const [system, { dev, ino }] = await Promise.all([statfs(path), stat(path)]).catch((cause: unknown) => {
    throw openError(label, cause);
  });
  if (system.type !== NSFS_MAGIC)
    throw new IptablesError('IPTABLES_NAMESPACE_GONE', `${label} is not a namespace (was it removed?)`);
  return `${dev}:${ino}`;
}

function openError(label: string, cause: unknown): IptablesError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'EACCES' || code === 'EPERM')
    return new IptablesError(
      'IPTABLES_PERMISSION',
      `open network namespace ${label}: ${code} (are you root, or its owner?)`,
      { cause },
    );
  return new IptablesError('IPTABLES_NAMESPACE_GONE', `open network namespace ${label}: ${code} (${hintFor(label)})`, {
    cause,
  });
}

/** Names of `ip netns` are given in place of their path again and again. */
function hintFor(label: string): string {
  if (!label.includes('/') && !label.startsWith('fd ')) return `is /run/netns/${label} meant?`;
  return 'was it removed, or did its last process end? It may be a path such as /run/netns/NAME or /proc/PID/ns/net';
}
