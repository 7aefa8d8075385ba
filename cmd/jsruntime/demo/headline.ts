// embedded: called by other scripts with scripts.invoke, and with POST /api/v1/invoke/headline
export default function (input: { beats: number }) {
  return `${input.beats} heartbeats and counting`;
}
