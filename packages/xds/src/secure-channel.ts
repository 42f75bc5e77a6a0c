import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import {
  ChannelCredentials,
  type ChannelInterface,
  type ChannelOptions,
  Client,
  connectivityState,
} from '@grpc/grpc-js';
import { XdsError } from './errors.ts';
import { isNamedOneOf } from './server-identity.ts';

/** No ChaCha20, as everywhere in the mesh. */
const CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
const KEEPALIVE_TIME_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** A chain with a bundle of several hundred roots. */
const MAX_RECEIVED_BYTES = 1_048_576;
const MAX_SENT_BYTES = 65_536;

/** Where a control plane is and how to know it. */
export interface SecureTarget {
  /** `https://host:port`; the host may be an address. */
  readonly address: string;
  /** PEM text with the trusted roots, or `SYSTEM` for those of the operating system. */
  readonly rootPem: string;
  /** A second name, of which the server's certificate may be instead of the host of `address`. */
  readonly altHostname?: string | undefined;
}

/**
 * A gRPC client for `target`: TLS 1.3, ALPN h2, no client certificate, the name of the server checked. Nothing is
 * dialled yet. The caller closes it. Throws XDS_CONFIG_INVALID.
 */
export function createSecureClient(target: SecureTarget): Client {
  const { host, hostPort } = parseAddress(target.address);
  const names = target.altHostname === undefined ? [host] : [host, target.altHostname];
  const credentials = ChannelCredentials.createFromSecureContext(createContext(target.rootPem), {
    checkServerIdentity: (_host, certificate) =>
      isNamedOneOf(certificate.raw, names)
        ? undefined
        : new Error(
            `certificate of ${target.address} is not for ${names.join(' or ')} (wrong address or alternative name?)`,
          ),
  });
  return new Client(hostPort, credentials, { ...CHANNEL_OPTIONS, ...serverName(host, target.altHostname) });
}

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.max_receive_message_length': MAX_RECEIVED_BYTES,
  'grpc.max_send_message_length': MAX_SENT_BYTES,
  // The environment's https_proxy is for the outside world, never for the control plane.
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
  // Channels with equal options would share connections, and with them a connection's failures.
  'grpc.use_local_subchannel_pool': 1,
};

/** How an attempt to connect ended: `failed` means that a call made now fails at once and tells why. */
export type ConnectOutcome = 'connected' | 'failed' | 'late' | 'closed' | 'aborted';

/** Dials unless `client` is connected; `late` after `timeoutMs` without a result. */
export async function dialClient(client: Client, timeoutMs: number, signal?: AbortSignal): Promise<ConnectOutcome> {
  const channel = client.getChannel();
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (signal?.aborted === true) return 'aborted';
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return 'connected';
    if (state === connectivityState.TRANSIENT_FAILURE) return 'failed';
    if (state === connectivityState.SHUTDOWN) return 'closed';
    const changed = await stateChange({ channel, state, deadline }, signal);
    if (!changed) return 'late';
  }
}

interface StateWait {
  readonly channel: ChannelInterface;
  readonly state: connectivityState;
  readonly deadline: number;
}

/** Resolves at a change of state or at the abort (true), or at the deadline (false). */
function stateChange({ channel, state, deadline }: StateWait, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const abort = () => resolve(true);
    signal?.addEventListener('abort', abort, { once: true });
    channel.watchConnectivityState(state, deadline, (late) => {
      signal?.removeEventListener('abort', abort);
      resolve(late === undefined);
    });
  });
}

function parseAddress(address: string): { readonly host: string; readonly hostPort: string } {
  const url = URL.parse(address);
  if (url?.protocol !== 'https:' || url.hostname === '' || url.pathname !== '/' || url.username !== '')
    throw new XdsError('XDS_CONFIG_INVALID', `address ${JSON.stringify(address)}: want https://host:port`);
  const port = url.port === '' ? '443' : url.port;
  return { host: url.hostname.replace(/^\[|\]$/g, ''), hostPort: `${url.hostname}:${port}` };
}

function createContext(rootPem: string): SecureContext {
  return createSecureContext({
    ca: rootPem === 'SYSTEM' ? getCACertificates('system') : checkedRoots(rootPem),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
  });
}

function checkedRoots(rootPem: string): string {
  if (!beginsWithCertificate(rootPem))
    throw new XdsError('XDS_CONFIG_INVALID', 'root certificate: want PEM text with at least one certificate');
  return rootPem;
}

/** Tells a PEM text from a path or an empty file. */
function beginsWithCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** SNI must not be an address (RFC 6066 3), and Node refuses one. */
function serverName(host: string, altHostname: string | undefined): ChannelOptions {
  if (isIP(host) === 0) return {};
  return { 'grpc.ssl_target_name_override': altHostname ?? 'localhost' };
}
