import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Answer, Answerer } from './http-listener.ts';

const plainType = 'text/plain; charset=utf-8';
const openMetricsType = 'application/openmetrics-text;charset=utf-8;version=1.0.0';
/** A scrape is read once: a fast level. */
const brotliQuality = 4;

const compressors: ReadonlyMap<string, (text: string) => Promise<Uint8Array>> = new Map([
  ['gzip', (text: string): Promise<Uint8Array> => promisify(gzip)(text)],
  [
    'br',
    (text: string): Promise<Uint8Array> =>
      promisify(brotliCompress)(text, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } }),
  ],
]);

/** The pages of 15020, for any method: `/metrics` and `/stats/prometheus`. */
export function metricsPages(render: () => Promise<string>): Answerer {
  return async (request, url): Promise<Answer> => {
    if (url.pathname !== '/metrics' && url.pathname !== '/stats/prometheus') return { status: 404 };
    const text = await render();
    const contentType = request.headers.accept?.includes('application/openmetrics-text') ? openMetricsType : plainType;
    const encoding = chooseEncoding(request.headers['accept-encoding'] ?? '');
    const compress = compressors.get(encoding);
    const vary = ['vary', 'accept-encoding'] as const;
    if (compress === undefined) return { status: 200, contentType, headers: [vary], body: text };
    return { status: 200, contentType, headers: [['content-encoding', encoding], vary], body: await compress(text) };
  };
}

/** The first encoding of the client's list, by weight, that is offered; `identity` if none is (RFC 9110 §12.5.3). */
function chooseEncoding(header: string): string {
  const wanted = header.split(',').map((part) => {
    const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return { name, weight: weight === undefined ? 1 : Number(weight) };
  });
  const offered = wanted.filter(({ name, weight }) => weight > 0 && compressors.has(name));
  return offered.toSorted((a, b) => b.weight - a.weight)[0]?.name ?? 'identity';
}
