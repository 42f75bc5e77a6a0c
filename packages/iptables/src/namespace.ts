import { open, statfs } from 'node:fs/promises';
import { IptablesError } from './errors.ts';

/** A network namespace: a path such as `/proc/123/ns/net` or `/run/netns/x`, or an open descriptor of one (not closed). */
export type NamespaceRef = string | { readonly fd: number };

/** A namespace held open for as long as it is worked on, so that its path may vanish or be reused meanwhile. */
export interface OpenNamespace {
  /** Valid until the callback of {@link withNamespace} settles. */
  readonly fd: number;
  /** For messages: the path, or `fd 12`. */
  readonly label: string;
}

/** `NSFS_MAGIC` of linux/magic.h: what a namespace file's file system says it is. */
const NSFS_MAGIC = 0x6e73_6673;

/**
 * Runs `work` with the namespace open. Throws `IPTABLES_NAMESPACE_GONE` if it does not exist, `IPTABLES_PERMISSION` if
 * it may not be opened, and whatever `work` throws.
 */
export async function withNamespace<R>(ref: NamespaceRef, work: (namespace: OpenNamespace) => Promise<R>): Promise<R> {
  if (typeof ref !== 'string') {
    const label = `fd ${ref.fd}`;
    await assertNamespace(`/proc/self/fd/${ref.fd}`, label);
    return work({ fd: ref.fd, label });
  }
  const file = await open(ref, 'r').catch((cause: unknown) => {
    throw openError(ref, cause);
  });
  try {
    await assertNamespace(`/proc/self/fd/${file.fd}`, ref);
    return await work({ fd: file.fd, label: ref });
  } finally {
    await file.close();
  }
}

async function assertNamespace(path: string, label: string): Promise<void> {
  const found = await statfs(path).catch((cause: unknown) => {
    throw openError(label, cause);
  });
  if (found.type !== NSFS_MAGIC)
    throw new IptablesError('IPTABLES_NAMESPACE_GONE', `${label} is not a namespace (was it removed?)`);
}

function openError(label: string, cause: unknown): IptablesError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'EACCES' || code === 'EPERM')
    return new IptablesError(
      'IPTABLES_PERMISSION',
      `open network namespace ${label}: ${code} (are you root, or its owner?)`,
      { cause },
    );
  return new IptablesError('IPTABLES_NAMESPACE_GONE', `open network namespace ${label}: ${code} (has its pod ended?)`, {
    cause,
  });
}
