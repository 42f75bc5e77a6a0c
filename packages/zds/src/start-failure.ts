/** A failed start in the two forms the reference ztunnel has for it. */
export interface StartFailure {
  /** For the answer to the agent: `Bind([::]:15008, Os { code: 98, kind: AddrInUse, message: "Address already in use" })`. */
  readonly debug: string;
  /** For logs: `failed to bind to address [::]:15008: Address already in use (os error 98)`. */
  readonly display: string;
}

/** `ErrorKind` names of the reference's standard library. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'AddrInUse'],
  ['EADDRNOTAVAIL', 'AddrNotAvailable'],
  ['EACCES', 'PermissionDenied'],
  ['EPERM', 'PermissionDenied'],
  ['EINVAL', 'InvalidInput'],
  ['ENOENT', 'NotFound'],
]);

const BIND_FORM = /^Bind\((?<address>\S+), Os \{ code: (?<code>\d+), kind: \w+, message: "(?<reason>[^"]*)" \}\)$/;

/**
 * Words a failed start. A failed `bind` or `listen` of `@ambientmesh/netns` (recognised by its fields, also after they crossed a
 * thread) gets the reference's text, as does a message that has its debug form already; any other error's message stands for itself.
 */
export function describeStartFailure(error: unknown): StartFailure {
  const debug = renderBind(error) ?? (error instanceof Error ? error.message : String(error));
  const bind = BIND_FORM.exec(debug)?.groups;
  if (bind === undefined) return { debug, display: debug };
  return {
    debug,
    display: `failed to bind to address ${bind['address']}: ${bind['reason']} (os error ${bind['code']})`,
  };
}

function renderBind(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const field = (name: string): unknown => Reflect.get(error, name);
  const [operation, address, errno, code, reason] = [
    field('operation'),
    field('address'),
    field('errno'),
    field('errnoNumber'),
    field('reason'),
  ];
  if (operation !== 'bind' && operation !== 'listen') return undefined;
  if (typeof address !== 'string' || typeof errno !== 'string') return undefined;
  if (typeof code !== 'number' || typeof reason !== 'string') return undefined;
  return `Bind(${address}, Os { code: ${code}, kind: ${KINDS.get(errno) ?? 'Uncategorized'}, message: ${JSON.stringify(reason)} })`;
}
