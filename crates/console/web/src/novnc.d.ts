// The part of noVNC that is used here: it comes without types. docs/API.md of the package describes it.
declare module '@novnc/novnc' {
  export interface RfbOptions {
    shared?: boolean
    credentials?: { username?: string; password?: string; target?: string }
  }

  /** Events: `connect`, `disconnect` (`detail.clean`), `securityfailure` (`detail.reason`), `desktopname`, `clipboard` (`detail.text`). */
  export default class RFB extends EventTarget {
    /** `channel` may still be connecting. */
    constructor(target: HTMLElement, channel: WebSocket, options?: RfbOptions)
    viewOnly: boolean
    scaleViewport: boolean
    resizeSession: boolean
    clipViewport: boolean
    focusOnClick: boolean
    background: string
    qualityLevel: number
    compressionLevel: number
    disconnect(): void
    focus(): void
    blur(): void
    sendKey(keysym: number, code: string | null, down?: boolean): void
    clipboardPasteFrom(text: string): void
  }
}
