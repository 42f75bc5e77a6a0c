/** One sample of an OpenMetrics text. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/i;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/gi;

/** Reads the samples of an OpenMetrics text. Throws unless it ends with `# EOF`. */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('# EOF\n')) throw new Error(`not OpenMetrics: ends with ${JSON.stringify(text.slice(-40))}`);
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const found = SAMPLE.exec(line);
      if (found === null) throw new Error(`not a sample: ${line}`);
      const [, name = '', labels = '', value] = found;
      return {
        name,
        labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key = '', label = '']) => [key, label])),
        value: Number(value),
      };
    });
}

/** Sum of all samples of `name` with all of `labels`. */
export function sumOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>>): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
