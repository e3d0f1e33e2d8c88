/** Whether a click on the address leaves this page for a site or a mail, and runs nothing. */
export function isSafeAddress(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && ["http:", "https:", "mailto:"].includes(url.protocol);
}
