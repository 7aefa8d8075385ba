
// The web platform's globals, from TypeScript's lib.webworker.d.ts: what is not there in a script was taken out, and each declaration gives
// way where lib.dom or lib.webworker is loaded too. Written by engine/internal/webapi/globaltypes.
//
// Copyright (c) Microsoft Corporation. All rights reserved. Licensed under the Apache License, Version 2.0 (the "License"); you may not use
// this file except in compliance with the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0
//
// THIS CODE IS PROVIDED ON AN *AS IS* BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, EITHER EXPRESS OR IMPLIED, INCLUDING WITHOUT
// LIMITATION ANY IMPLIED WARRANTIES OR CONDITIONS OF TITLE, FITNESS FOR A PARTICULAR PURPOSE, MERCHANTABILITY OR NON-INFRINGEMENT.
//
// See the Apache Version 2.0 License for specific language governing permissions and limitations under the License.

declare namespace JSRuntimeGlobals {
  /** T, unless a DOM library is loaded, which has it already. */
  type Own<T> = typeof globalThis extends { onmessage: any } ? {} : T;
  interface $AbortController {
    /** The `signal` read-only property of the AbortController interface returns an AbortSignal object instance, which can be used to communicate with/abort an asynchronous operation as desired. */
    readonly signal: AbortSignal;
    /** The `abort()` method of the AbortController interface aborts an asynchronous operation before it has completed. */
    abort(reason?: any): void;
  }
  interface $AbortSignal extends EventTarget {
    /** The `aborted` read-only property returns a value that indicates whether the asynchronous operations the signal is communicating with are aborted (true) or not (false). */
    readonly aborted: boolean;
    onabort: ((this: AbortSignal, ev: Event) => any) | null;
    /** The `reason` read-only property returns a JavaScript value that indicates the abort reason. */
    readonly reason: any;
    /** The `throwIfAborted()` method throws the signal's abort reason if the signal has been aborted; otherwise it does nothing. */
    throwIfAborted(): void;
    addEventListener<K extends keyof AbortSignalEventMap>(type: K, listener: (this: AbortSignal, ev: AbortSignalEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
    removeEventListener<K extends keyof AbortSignalEventMap>(type: K, listener: (this: AbortSignal, ev: AbortSignalEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
  }
  interface $AbortSignalEventMap {
    "abort": Event;
  }
  interface $AddEventListenerOptions extends EventListenerOptions {
    once?: boolean;
    passive?: boolean;
    signal?: AbortSignal;
  }
  interface $AesCbcParams extends Algorithm {
    iv: BufferSource;
  }
  interface $AesCtrParams extends Algorithm {
    counter: BufferSource;
    length: number;
  }
  interface $AesDerivedKeyParams extends Algorithm {
    length: number;
  }
  interface $AesGcmParams extends Algorithm {
    additionalData?: BufferSource;
    iv: BufferSource;
    tagLength?: number;
  }
  interface $AesKeyAlgorithm extends KeyAlgorithm {
    length: number;
  }
  interface $AesKeyGenParams extends Algorithm {
    length: number;
  }
  interface $Algorithm {
    name: string;
  }
  interface $Blob {
    /** The `size` read-only property of the Blob interface returns the size of the Blob or File in bytes. */
    readonly size: number;
    /** The `type` read-only property of the Blob interface returns the MIME type of the file. */
    readonly type: string;
    /** The `arrayBuffer()` method of the Blob interface returns a Promise that resolves with the contents of the blob as binary data contained in an ArrayBuffer. */
    arrayBuffer(): Promise<ArrayBuffer>;
    /** The `bytes()` method of the Blob interface returns a Promise that resolves with a Uint8Array containing the contents of the blob as an array of bytes. */
    bytes(): Promise<Uint8Array<ArrayBuffer>>;
    /** The `slice()` method of the Blob interface creates and returns a new Blob object which contains data from a subset of the blob on which it's called. */
    slice(start?: number, end?: number, contentType?: string): Blob;
    /** The `stream()` method of the Blob interface returns a ReadableStream which upon reading returns the data contained within the Blob. */
    stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
    /** The `text()` method of the Blob interface returns a Promise that resolves with a string containing the contents of the blob, interpreted as UTF-8. */
    text(): Promise<string>;
  }
  interface $BlobPropertyBag {
    endings?: EndingType;
    type?: string;
  }
  interface $Body {
    readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
    readonly bodyUsed: boolean;
    arrayBuffer(): Promise<ArrayBuffer>;
    blob(): Promise<Blob>;
    bytes(): Promise<Uint8Array<ArrayBuffer>>;
    formData(): Promise<FormData>;
    json(): Promise<any>;
    text(): Promise<string>;
  }
  interface $ByteLengthQueuingStrategy extends QueuingStrategy<ArrayBufferView> {
    /** The read-only `ByteLengthQueuingStrategy.highWaterMark` property returns the total number of bytes that can be contained in the internal queue before backpressure is applied. */
    readonly highWaterMark: number;
    readonly size: QueuingStrategySize<ArrayBufferView>;
  }
  interface $CompressionStream extends GenericTransformStream {
    /** The `readable` read-only property of the CompressionStream interface returns a ReadableStream that emits compressed data as Uint8Array chunks. */
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    /** The `writable` read-only property of the CompressionStream interface returns a WritableStream that accepts uncompressed data to be compressed, in the form of ArrayBuffer, TypedArray, or DataView chunks. */
    readonly writable: WritableStream<BufferSource>;
  }
  interface $Console {
    /** The `console.assert()` static method writes an error message to the console if the assertion is false. */
    assert(condition?: boolean, ...data: any[]): void;
    /** The `console.clear()` static method clears the console if possible. */
    clear(): void;
    /** The `console.count()` static method logs the number of times that this particular call to count() has been called. */
    count(label?: string): void;
    /** The `console.countReset()` static method resets counter used with console.count(). */
    countReset(label?: string): void;
    /** The `console.debug()` static method outputs a message to the console at the "debug" log level. */
    debug(...data: any[]): void;
    /** The `console.dir()` static method displays a list of the properties of the specified JavaScript object. */
    dir(item?: any, options?: any): void;
    /** The `console.dirxml()` static method displays an interactive tree of the descendant elements of the specified XML/HTML element. */
    dirxml(...data: any[]): void;
    /** The `console.error()` static method outputs a message to the console at the "error" log level. */
    error(...data: any[]): void;
    /** The `console.group()` static method creates a new inline group in the Web console log, causing any subsequent console messages to be indented by an additional level, until console.groupEnd() is called. */
    group(...data: any[]): void;
    /** The `console.groupCollapsed()` static method creates a new inline group in the console. */
    groupCollapsed(...data: any[]): void;
    /** The `console.groupEnd()` static method exits the current inline group in the console. */
    groupEnd(): void;
    /** The `console.info()` static method outputs a message to the console at the "info" log level. */
    info(...data: any[]): void;
    /** The `console.log()` static method outputs a message to the console. */
    log(...data: any[]): void;
    /** The `console.table()` static method displays tabular data as a table. */
    table(tabularData?: any, properties?: string[]): void;
    /** The `console.time()` static method starts a timer you can use to track how long an operation takes. */
    time(label?: string): void;
    /** The `console.timeEnd()` static method stops a timer that was previously started by calling console.time(). */
    timeEnd(label?: string): void;
    /** The `console.timeLog()` static method logs the current value of a timer that was previously started by calling console.time(). */
    timeLog(label?: string, ...data: any[]): void;
    /** The `console.trace()` static method outputs a stack trace to the console. */
    trace(...data: any[]): void;
    /** The `console.warn()` static method outputs a warning message to the console at the "warning" log level. */
    warn(...data: any[]): void;
  }
  interface $CountQueuingStrategy extends QueuingStrategy {
    /** The read-only `CountQueuingStrategy.highWaterMark` property returns the total number of chunks that can be contained in the internal queue before backpressure is applied. */
    readonly highWaterMark: number;
    readonly size: QueuingStrategySize;
  }
  interface $Crypto {
    /** The `Crypto.subtle` read-only property returns a SubtleCrypto which can then be used to perform low-level cryptographic operations. */
    readonly subtle: SubtleCrypto;
    /** The `Crypto.getRandomValues()` method lets you get cryptographically strong random values. */
    getRandomValues<T extends Exclude<BufferSource, ArrayBuffer>>(array: T): T;
    /** The `randomUUID()` method of the Crypto interface is used to generate a v4 UUID using a cryptographically secure random number generator. */
    randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
  }
  interface $CryptoKey {
    /** The read-only `algorithm` property of the CryptoKey interface returns an object describing the algorithm for which this key can be used, and any associated extra parameters. */
    readonly algorithm: KeyAlgorithm;
    /** The read-only `extractable` property of the CryptoKey interface indicates whether or not the key may be extracted using SubtleCrypto.exportKey() or SubtleCrypto.wrapKey(). */
    readonly extractable: boolean;
    /** The read-only `type` property of the CryptoKey interface indicates which kind of key is represented by the object. */
    readonly type: KeyType;
    /** The read-only `usages` property of the CryptoKey interface indicates what can be done with the key. */
    readonly usages: KeyUsage[];
  }
  interface $CryptoKeyPair {
    privateKey: CryptoKey;
    publicKey: CryptoKey;
  }
  interface $CustomEvent<T = any> extends Event {
    /** The read-only `detail` property of the CustomEvent interface returns any data passed when initializing the event. */
    readonly detail: T;
    /** The `CustomEvent.initCustomEvent()` method initializes a CustomEvent object. */
    initCustomEvent(type: string, bubbles?: boolean, cancelable?: boolean, detail?: T): void;
  }
  interface $CustomEventInit<T = any> extends EventInit {
    detail?: T;
  }
  interface $DOMException extends Error {
    /** The `code` read-only property of the DOMException interface returns one of the legacy error code constants, or 0 if none match. */
    readonly code: number;
    /** The `message` read-only property of the DOMException interface returns a string representing a message or description associated with the given error name. */
    readonly message: string;
    /** The `name` read-only property of the DOMException interface returns a string that contains one of the strings associated with an error name. */
    readonly name: string;
    readonly INDEX_SIZE_ERR: 1;
    readonly DOMSTRING_SIZE_ERR: 2;
    readonly HIERARCHY_REQUEST_ERR: 3;
    readonly WRONG_DOCUMENT_ERR: 4;
    readonly INVALID_CHARACTER_ERR: 5;
    readonly NO_DATA_ALLOWED_ERR: 6;
    readonly NO_MODIFICATION_ALLOWED_ERR: 7;
    readonly NOT_FOUND_ERR: 8;
    readonly NOT_SUPPORTED_ERR: 9;
    readonly INUSE_ATTRIBUTE_ERR: 10;
    readonly INVALID_STATE_ERR: 11;
    readonly SYNTAX_ERR: 12;
    readonly INVALID_MODIFICATION_ERR: 13;
    readonly NAMESPACE_ERR: 14;
    readonly INVALID_ACCESS_ERR: 15;
    readonly VALIDATION_ERR: 16;
    readonly TYPE_MISMATCH_ERR: 17;
    readonly SECURITY_ERR: 18;
    readonly NETWORK_ERR: 19;
    readonly ABORT_ERR: 20;
    readonly URL_MISMATCH_ERR: 21;
    readonly QUOTA_EXCEEDED_ERR: 22;
    readonly TIMEOUT_ERR: 23;
    readonly INVALID_NODE_TYPE_ERR: 24;
    readonly DATA_CLONE_ERR: 25;
  }
  interface $DecompressionStream extends GenericTransformStream {
    /** The `readable` read-only property of the DecompressionStream interface returns a ReadableStream that emits decompressed data as Uint8Array chunks. */
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    /** The `writable` read-only property of the DecompressionStream interface returns a WritableStream that accepts compressed data to be decompressed, in the form of ArrayBuffer, TypedArray, or DataView chunks. */
    readonly writable: WritableStream<BufferSource>;
  }
  interface $EcKeyGenParams extends Algorithm {
    namedCurve: NamedCurve;
  }
  interface $EcKeyImportParams extends Algorithm {
    namedCurve: NamedCurve;
  }
  interface $EcdhKeyDeriveParams extends Algorithm {
    public: CryptoKey;
  }
  interface $EcdsaParams extends Algorithm {
    hash: HashAlgorithmIdentifier;
  }
  interface $ErrorEvent extends Event {
    /** The `colno` read-only property of the ErrorEvent interface returns an integer containing the column number of the script file on which the error occurred. */
    readonly colno: number;
    /** The `error` read-only property of the ErrorEvent interface returns a JavaScript value, such as an Error or DOMException, representing the error associated with this event. */
    readonly error: any;
    /** The `filename` read-only property of the ErrorEvent interface returns a string containing the name of the script file in which the error occurred. */
    readonly filename: string;
    /** The `lineno` read-only property of the ErrorEvent interface returns an integer containing the line number of the script file on which the error occurred. */
    readonly lineno: number;
    /** The `message` read-only property of the ErrorEvent interface returns a string containing a human-readable error message describing the problem. */
    readonly message: string;
  }
  interface $ErrorEventInit extends EventInit {
    colno?: number;
    error?: any;
    filename?: string;
    lineno?: number;
    message?: string;
  }
  interface $Event {
    /** The `bubbles` read-only property of the Event interface indicates whether the event bubbles up through the DOM tree or not. */
    readonly bubbles: boolean;
    /** The `cancelBubble` property of the Event interface is deprecated. */
    cancelBubble: boolean;
    /** The `cancelable` read-only property of the Event interface indicates whether the event can be canceled, and therefore prevented as if the event never happened. */
    readonly cancelable: boolean;
    /** The read-only `composed` property of the Event interface returns a boolean value which indicates whether or not the event will propagate across the shadow DOM boundary into the standard DOM. */
    readonly composed: boolean;
    /** The `currentTarget` read-only property of the Event interface identifies the element to which the event handler has been attached. */
    readonly currentTarget: EventTarget | null;
    /** The `defaultPrevented` read-only property of the Event interface returns a boolean value indicating whether or not the call to Event.preventDefault() canceled the event. */
    readonly defaultPrevented: boolean;
    /** The `eventPhase` read-only property of the Event interface indicates which phase of the event flow is currently being evaluated. */
    readonly eventPhase: number;
    /** The Event property `returnValue` indicates whether the default action for this event has been prevented or not. */
    returnValue: boolean;
    /** The deprecated `Event.srcElement` is an alias for the Event.target property. */
    readonly srcElement: EventTarget | null;
    /** The read-only `target` property of the Event interface is a reference to the object onto which the event was dispatched. */
    readonly target: EventTarget | null;
    /** The `timeStamp` read-only property of the Event interface returns the time (in milliseconds) at which the event was created. */
    readonly timeStamp: DOMHighResTimeStamp;
    /** The `type` read-only property of the Event interface returns a string containing the event's type. */
    readonly type: string;
    /** The `composedPath()` method of the Event interface returns the event's path which is an array of the objects on which listeners will be invoked. */
    composedPath(): EventTarget[];
    /** The `Event.initEvent()` method is used to initialize the value of an event created using Document.createEvent(). */
    initEvent(type: string, bubbles?: boolean, cancelable?: boolean): void;
    /** The `preventDefault()` method of the Event interface tells the user agent that the event is being explicitly handled, so its default action, such as page scrolling, link navigation, or pasting text, should not be taken. */
    preventDefault(): void;
    /** The `stopImmediatePropagation()` method of the Event interface prevents other listeners of the same event from being called. */
    stopImmediatePropagation(): void;
    /** The `stopPropagation()` method of the Event interface prevents further propagation of the current event in the capturing and bubbling phases. */
    stopPropagation(): void;
    readonly NONE: 0;
    readonly CAPTURING_PHASE: 1;
    readonly AT_TARGET: 2;
    readonly BUBBLING_PHASE: 3;
  }
  interface $EventInit {
    bubbles?: boolean;
    cancelable?: boolean;
    composed?: boolean;
  }
  interface $EventListener {
    (evt: Event): void;
  }
  interface $EventListenerObject {
    handleEvent(object: Event): void;
  }
  interface $EventListenerOptions {
    capture?: boolean;
  }
  interface $EventTarget {
    /** The `addEventListener()` method of the EventTarget interface sets up a function that will be called whenever the specified event is delivered to the target. */
    addEventListener(type: string, callback: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void;
    /** The `dispatchEvent()` method of the EventTarget sends an Event to the object, (synchronously) invoking the affected event listeners in the appropriate order. */
    dispatchEvent(event: Event): boolean;
    /** The `removeEventListener()` method of the EventTarget interface removes an event listener previously registered with EventTarget.addEventListener() from the target. */
    removeEventListener(type: string, callback: EventListenerOrEventListenerObject | null, options?: EventListenerOptions | boolean): void;
  }
  interface $File extends Blob {
    /** The `lastModified` read-only property of the File interface provides the last modified date of the file as the number of milliseconds since the Unix epoch (January 1, 1970 at midnight). */
    readonly lastModified: number;
    /** The `name` read-only property of the File interface returns the name of the file represented by a File object. */
    readonly name: string;
    /** The `webkitRelativePath` read-only property of the File interface contains a string which specifies the file's path relative to the directory selected by the user in an <input> element with its webkitdirectory attribute set. */
    readonly webkitRelativePath: string;
  }
  interface $FilePropertyBag extends BlobPropertyBag {
    lastModified?: number;
  }
  interface $FormData {
    /** The `append()` method of the FormData interface appends a new value onto an existing key inside a FormData object, or adds the key if it does not already exist. */
    append(name: string, value: string | Blob): void;
    append(name: string, value: string): void;
    append(name: string, blobValue: Blob, filename?: string): void;
    /** The `delete()` method of the FormData interface deletes a key and its value(s) from a FormData object. */
    delete(name: string): void;
    /** The `get()` method of the FormData interface returns the first value associated with a given key from within a FormData object. */
    get(name: string): FormDataEntryValue | null;
    /** The `getAll()` method of the FormData interface returns all the values associated with a given key from within a FormData object. */
    getAll(name: string): FormDataEntryValue[];
    /** The `has()` method of the FormData interface returns whether a FormData object contains a certain key. */
    has(name: string): boolean;
    /** The `set()` method of the FormData interface sets a new value for an existing key inside a FormData object, or adds the key/value if it does not already exist. */
    set(name: string, value: string | Blob): void;
    set(name: string, value: string): void;
    set(name: string, blobValue: Blob, filename?: string): void;
    forEach(callbackfn: (value: FormDataEntryValue, key: string, parent: FormData) => void, thisArg?: any): void;
    [Symbol.iterator](): FormDataIterator<[string, FormDataEntryValue]>;
    /** Returns an array of key, value pairs for every entry in the list. */
    entries(): FormDataIterator<[string, FormDataEntryValue]>;
    /** Returns a list of keys in the list. */
    keys(): FormDataIterator<string>;
    /** Returns a list of values in the list. */
    values(): FormDataIterator<FormDataEntryValue>;
  }
  interface $FormDataIterator<T> extends IteratorObject<T, BuiltinIteratorReturn, unknown> {
    [Symbol.iterator](): FormDataIterator<T>;
  }
  interface $GenericTransformStream {
    readonly readable: ReadableStream;
    readonly writable: WritableStream;
  }
  interface $Headers {
    /** The `append()` method of the Headers interface appends a new value onto an existing header inside a Headers object, or adds the header if it does not already exist. */
    append(name: string, value: string): void;
    /** The `delete()` method of the Headers interface deletes a header from the current Headers object. */
    delete(name: string): void;
    /** The `get()` method of the Headers interface returns a byte string of all the values of a header within a Headers object with a given name. */
    get(name: string): string | null;
    /** The `getSetCookie()` method of the Headers interface returns an array containing the values of all Set-Cookie headers associated with a response. */
    getSetCookie(): string[];
    /** The `has()` method of the Headers interface returns a boolean stating whether a Headers object contains a certain header. */
    has(name: string): boolean;
    /** The `set()` method of the Headers interface sets a new value for an existing header inside a Headers object, or adds the header if it does not already exist. */
    set(name: string, value: string): void;
    forEach(callbackfn: (value: string, key: string, parent: Headers) => void, thisArg?: any): void;
    [Symbol.iterator](): HeadersIterator<[string, string]>;
    /** Returns an iterator allowing to go through all key/value pairs contained in this object. */
    entries(): HeadersIterator<[string, string]>;
    /** Returns an iterator allowing to go through all keys of the key/value pairs contained in this object. */
    keys(): HeadersIterator<string>;
    /** Returns an iterator allowing to go through all values of the key/value pairs contained in this object. */
    values(): HeadersIterator<string>;
  }
  interface $HeadersIterator<T> extends IteratorObject<T, BuiltinIteratorReturn, unknown> {
    [Symbol.iterator](): HeadersIterator<T>;
  }
  interface $HkdfParams extends Algorithm {
    hash: HashAlgorithmIdentifier;
    info: BufferSource;
    salt: BufferSource;
  }
  interface $HmacImportParams extends Algorithm {
    hash: HashAlgorithmIdentifier;
    length?: number;
  }
  interface $HmacKeyGenParams extends Algorithm {
    hash: HashAlgorithmIdentifier;
    length?: number;
  }
  interface $JsonWebKey {
    alg?: string;
    crv?: string;
    d?: string;
    dp?: string;
    dq?: string;
    e?: string;
    ext?: boolean;
    k?: string;
    key_ops?: string[];
    kty?: string;
    n?: string;
    oth?: RsaOtherPrimesInfo[];
    p?: string;
    q?: string;
    qi?: string;
    use?: string;
    x?: string;
    y?: string;
  }
  interface $KeyAlgorithm {
    name: string;
  }
  interface $MessageChannel {
    /** The `port1` read-only property of the MessageChannel interface returns the first port of the message channel — the port attached to the context that originated the channel. */
    readonly port1: MessagePort;
    /** The `port2` read-only property of the MessageChannel interface returns the second port of the message channel — the port attached to the context at the other end of the channel, which the message is initially sent to. */
    readonly port2: MessagePort;
  }
  interface $MessageEvent<T = any> extends Event {
    /** The `data` read-only property of the MessageEvent interface represents the data sent by the message emitter. */
    readonly data: T;
    /** The `lastEventId` read-only property of the MessageEvent interface is a string representing a unique ID for the event. */
    readonly lastEventId: string;
    /** The `origin` read-only property of the MessageEvent interface is a string representing the origin of the message emitter. */
    readonly origin: string;
    /** The `ports` read-only property of the MessageEvent interface is an array of MessagePort objects containing all MessagePort objects sent with the message, in order. */
    readonly ports: ReadonlyArray<MessagePort>;
    /** The `source` read-only property of the MessageEvent interface is a MessageEventSource (which can be a WindowProxy, MessagePort, or ServiceWorker object) representing the message emitter. */
    readonly source: MessageEventSource | null;
    initMessageEvent(type: string, bubbles?: boolean, cancelable?: boolean, data?: any, origin?: string, lastEventId?: string, source?: MessageEventSource | null, ports?: MessagePort[]): void;
    initMessageEvent(type: string, bubbles?: boolean, cancelable?: boolean, data?: any, origin?: string, lastEventId?: string, source?: MessageEventSource | null, ports?: Iterable<MessagePort>): void;
  }
  interface $MessageEventInit<T = any> extends EventInit {
    data?: T;
    lastEventId?: string;
    origin?: string;
    ports?: MessagePort[];
    source?: MessageEventSource | null;
  }
  interface $MessageEventTarget<T> {
    onmessage: ((this: T, ev: MessageEvent) => any) | null;
    onmessageerror: ((this: T, ev: MessageEvent) => any) | null;
    addEventListener<K extends keyof MessageEventTargetEventMap>(type: K, listener: (this: T, ev: MessageEventTargetEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
    removeEventListener<K extends keyof MessageEventTargetEventMap>(type: K, listener: (this: T, ev: MessageEventTargetEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
  }
  interface $MessageEventTargetEventMap {
    "message": MessageEvent;
    "messageerror": MessageEvent;
  }
  interface $MessagePort extends EventTarget, MessageEventTarget<MessagePort> {
    /** The `close()` method of the MessagePort interface disconnects the port, so it is no longer active. */
    close(): void;
    /** The `postMessage()` method of the MessagePort interface sends a message from the port, and optionally, transfers ownership of objects to other browsing contexts. */
    postMessage(message: any, transfer: Transferable[]): void;
    postMessage(message: any, options?: StructuredSerializeOptions): void;
    /** The `start()` method of the MessagePort interface starts the sending of messages queued on the port. */
    start(): void;
    addEventListener<K extends keyof MessagePortEventMap>(type: K, listener: (this: MessagePort, ev: MessagePortEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
    removeEventListener<K extends keyof MessagePortEventMap>(type: K, listener: (this: MessagePort, ev: MessagePortEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
  }
  interface $MessagePortEventMap extends MessageEventTargetEventMap {
    "message": MessageEvent;
    "messageerror": MessageEvent;
  }
  interface $Pbkdf2Params extends Algorithm {
    hash: HashAlgorithmIdentifier;
    iterations: number;
    salt: BufferSource;
  }
  interface $Performance extends EventTarget {
    /** The `timeOrigin` read-only property of the Performance interface returns the high resolution timestamp that is used as the baseline for performance-related timestamps. */
    readonly timeOrigin: DOMHighResTimeStamp;
    /** The `performance.now()` method returns a high resolution timestamp in milliseconds. */
    now(): DOMHighResTimeStamp;
    /** The `toJSON()` method of the Performance interface is a serializer; it returns a JSON representation of the Performance object. */
    toJSON(): any;
    addEventListener<K extends keyof PerformanceEventMap>(type: K, listener: (this: Performance, ev: PerformanceEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
    removeEventListener<K extends keyof PerformanceEventMap>(type: K, listener: (this: Performance, ev: PerformanceEventMap[K]) => any, options?: boolean | EventListenerOptions): void;
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
  }
  interface $PerformanceEventMap {
    "resourcetimingbufferfull": Event;
  }
  interface $PromiseRejectionEvent extends Event {
    /** The PromiseRejectionEvent interface's `promise` read-only property indicates the JavaScript Promise which was rejected. */
    readonly promise: Promise<any>;
    /** The PromiseRejectionEvent `reason` read-only property is any JavaScript value or Object which provides the reason passed into Promise.reject(). */
    readonly reason: any;
  }
  interface $PromiseRejectionEventInit extends EventInit {
    promise: Promise<any>;
    reason?: any;
  }
  interface $QueuingStrategy<T = any> {
    highWaterMark?: number;
    size?: QueuingStrategySize<T>;
  }
  interface $QueuingStrategyInit {
    /** Creates a new ByteLengthQueuingStrategy with the provided high water mark. */
    highWaterMark: number;
  }
  interface $QueuingStrategySize<T = any> {
    (chunk: T): number;
  }
  interface $ReadableByteStreamController {
    /** The `byobRequest` read-only property of the ReadableByteStreamController interface returns the current BYOB request, or null if there are no pending requests. */
    readonly byobRequest: ReadableStreamBYOBRequest | null;
    /** The `desiredSize` read-only property of the ReadableByteStreamController interface returns the number of bytes required to fill the stream's internal queue to its "desired size". */
    readonly desiredSize: number | null;
    /** The `close()` method of the ReadableByteStreamController interface closes the associated stream. */
    close(): void;
    /** The `enqueue()` method of the ReadableByteStreamController interface enqueues a given chunk on the associated readable byte stream (the chunk is transferred into the stream's internal queues). */
    enqueue(chunk: ArrayBufferView<ArrayBuffer>): void;
    /** The `error()` method of the ReadableByteStreamController interface causes any future interactions with the associated stream to error with the specified reason. */
    error(e?: any): void;
  }
  interface $ReadableStream<R = any> {
    /** The `locked` read-only property of the ReadableStream interface returns whether or not the readable stream is locked to a reader. */
    readonly locked: boolean;
    /** The `cancel()` method of the ReadableStream interface returns a Promise that resolves when the stream is canceled. */
    cancel(reason?: any): Promise<void>;
    /** The `getReader()` method of the ReadableStream interface creates a reader and locks the stream to it. */
    getReader(options: { mode: "byob" }): ReadableStreamBYOBReader;
    getReader(): ReadableStreamDefaultReader<R>;
    getReader(options?: ReadableStreamGetReaderOptions): ReadableStreamReader<R>;
    /** The `pipeThrough()` method of the ReadableStream interface provides a chainable way of piping the current stream through a transform stream or any other writable/readable pair. */
    pipeThrough<T>(transform: ReadableWritablePair<T, R>, options?: StreamPipeOptions): ReadableStream<T>;
    /** The `pipeTo()` method of the ReadableStream interface pipes the current ReadableStream to a given WritableStream and returns a Promise that fulfills when the piping process completes successfully, or rejects if any errors were encountered. */
    pipeTo(destination: WritableStream<R>, options?: StreamPipeOptions): Promise<void>;
    /** The `tee()` method of the ReadableStream interface tees the current readable stream, returning a two-element array containing the two resulting branches as new ReadableStream instances. */
    tee(): [ReadableStream<R>, ReadableStream<R>];
    [Symbol.asyncIterator](options?: ReadableStreamIteratorOptions): ReadableStreamAsyncIterator<R>;
    values(options?: ReadableStreamIteratorOptions): ReadableStreamAsyncIterator<R>;
  }
  interface $ReadableStreamAsyncIterator<T> extends AsyncIteratorObject<T, BuiltinIteratorReturn, unknown> {
    [Symbol.asyncIterator](): ReadableStreamAsyncIterator<T>;
  }
  interface $ReadableStreamBYOBReader extends ReadableStreamGenericReader {
    /** The `read()` method of the ReadableStreamBYOBReader interface is used to read data into a view on a user-supplied buffer from an associated readable byte stream. */
    read<T extends Exclude<BufferSource, ArrayBuffer>>(view: T, options?: ReadableStreamBYOBReaderReadOptions): Promise<ReadableStreamReadResult<T>>;
    /** The `releaseLock()` method of the ReadableStreamBYOBReader interface releases the reader's lock on the stream. */
    releaseLock(): void;
  }
  interface $ReadableStreamBYOBReaderReadOptions {
    min?: number;
  }
  interface $ReadableStreamBYOBRequest {
    /** The `view` getter property of the ReadableStreamBYOBRequest interface returns the current view. */
    readonly view: ArrayBufferView<ArrayBuffer> | null;
    /** The `respond()` method of the ReadableStreamBYOBRequest interface is used to signal to the associated readable byte stream that the specified number of bytes were written into the ReadableStreamBYOBRequest.view. */
    respond(bytesWritten: number): void;
    /** The `respondWithNewView()` method of the ReadableStreamBYOBRequest interface specifies a new view that the consumer of the associated readable byte stream should write to instead of ReadableStreamBYOBRequest.view. */
    respondWithNewView(view: ArrayBufferView<ArrayBuffer>): void;
  }
  interface $ReadableStreamDefaultController<R = any> {
    /** The `desiredSize` read-only property of the ReadableStreamDefaultController interface returns the desired size required to fill the stream's internal queue. */
    readonly desiredSize: number | null;
    /** The `close()` method of the ReadableStreamDefaultController interface closes the associated stream. */
    close(): void;
    /** The `enqueue()` method of the ReadableStreamDefaultController interface enqueues a given chunk in the associated stream. */
    enqueue(chunk: R): void;
    /** The `error()` method of the ReadableStreamDefaultController interface causes any future interactions with the associated stream to error. */
    error(e?: any): void;
  }
  interface $ReadableStreamDefaultReader<R = any> extends ReadableStreamGenericReader {
    /** The `read()` method of the ReadableStreamDefaultReader interface returns a Promise providing access to the next chunk in the stream's internal queue. */
    read(): Promise<ReadableStreamReadResult<R>>;
    /** The `releaseLock()` method of the ReadableStreamDefaultReader interface releases the reader's lock on the stream. */
    releaseLock(): void;
  }
  interface $ReadableStreamGenericReader {
    readonly closed: Promise<void>;
    cancel(reason?: any): Promise<void>;
  }
  interface $ReadableStreamGetReaderOptions {
    /** Creates a ReadableStreamBYOBReader and locks the stream to the new reader. */
    mode?: ReadableStreamReaderMode;
  }
  interface $ReadableStreamIteratorOptions {
    /** Asynchronously iterates over the chunks in the stream's internal queue. */
    preventCancel?: boolean;
  }
  interface $ReadableStreamReadDoneResult<T> {
    done: true;
    value: T | undefined;
  }
  interface $ReadableStreamReadValueResult<T> {
    done: false;
    value: T;
  }
  interface $ReadableWritablePair<R = any, W = any> {
    readable: ReadableStream<R>;
    /** Provides a convenient, chainable way of piping this readable stream through a transform stream (or any other { writable, readable } pair). */
    writable: WritableStream<W>;
  }
  interface $Request extends Body {
    /** The `cache` read-only property of the Request interface contains the cache mode of the request. */
    readonly cache: RequestCache;
    /** The `credentials` read-only property of the Request interface reflects the value given to the Request() constructor in the credentials option. */
    readonly credentials: RequestCredentials;
    /** The `destination` read-only property of the Request interface returns a string describing the type of content being requested. */
    readonly destination: RequestDestination;
    /** The `headers` read-only property of the Request interface contains the Headers object associated with the request. */
    readonly headers: Headers;
    /** The `integrity` read-only property of the Request interface contains the subresource integrity value of the request. */
    readonly integrity: string;
    /** The `keepalive` read-only property of the Request interface contains the request's keepalive setting (true or false), which indicates whether the browser will keep the associated request alive if the page that initiated it is unloaded before the request is complete. */
    readonly keepalive: boolean;
    /** The `method` read-only property of the Request interface contains the request's method (GET, POST, etc.). */
    readonly method: string;
    /** The `mode` read-only property of the Request interface contains the mode of the request (e.g., cors, no-cors, same-origin, or navigate.) This is used to determine if cross-origin requests lead to valid responses, and which properties of the response are readable. */
    readonly mode: RequestMode;
    /** The `redirect` read-only property of the Request interface contains the mode for how redirects are handled. */
    readonly redirect: RequestRedirect;
    /** The `referrer` read-only property of the Request interface is set by the user agent to be the referrer of the Request. */
    readonly referrer: string;
    /** The `referrerPolicy` read-only property of the Request interface returns the referrer policy, which governs what referrer information, sent in the Referer header, should be included with the request. */
    readonly referrerPolicy: ReferrerPolicy;
    /** The read-only `signal` property of the Request interface returns the AbortSignal associated with the request. */
    readonly signal: AbortSignal;
    /** The `url` read-only property of the Request interface contains the URL of the request. */
    readonly url: string;
    /** The `clone()` method of the Request interface creates a copy of the current Request object. */
    clone(): Request;
    readonly duplex: "half";
  }
  interface $RequestInit {
    /** A BodyInit object or null to set request's body. */
    body?: BodyInit | null;
    /** A string indicating how the request will interact with the browser's cache to set request's cache. */
    cache?: RequestCache;
    /** A string indicating whether credentials will be sent with the request always, never, or only when sent to a same-origin URL. */
    credentials?: RequestCredentials;
    /** A Headers object, an object literal, or an array of two-item arrays to set request's headers. */
    headers?: HeadersInit;
    /** A cryptographic hash of the resource to be fetched by request. */
    integrity?: string;
    /** A boolean to set request's keepalive. */
    keepalive?: boolean;
    /** A string to set request's method. */
    method?: string;
    /** A string to indicate whether the request will use CORS, or will be restricted to same-origin URLs. */
    mode?: RequestMode;
    priority?: RequestPriority;
    /** A string indicating whether request follows redirects, results in an error upon encountering a redirect, or returns the redirect (in an opaque fashion). */
    redirect?: RequestRedirect;
    /** A string whose value is a same-origin URL, "about:client", or the empty string, to set request's referrer. */
    referrer?: string;
    /** A referrer policy to set request's referrerPolicy. */
    referrerPolicy?: ReferrerPolicy;
    /** An AbortSignal to set request's signal. */
    signal?: AbortSignal | null;
    /** Can only be null. */
    window?: null;
    /** Must be there with a stream as body. */
    duplex?: "half";
  }
  interface $Response extends Body {
    /** The `headers` read-only property of the Response interface contains the Headers object associated with the response. */
    readonly headers: Headers;
    /** The `ok` read-only property of the Response interface contains a Boolean stating whether the response was successful (status in the range 200-299) or not. */
    readonly ok: boolean;
    /** The `redirected` read-only property of the Response interface indicates whether or not the response is the result of a request you made which was redirected. */
    readonly redirected: boolean;
    /** The `status` read-only property of the Response interface contains the HTTP status codes of the response. */
    readonly status: number;
    /** The `statusText` read-only property of the Response interface contains the status message corresponding to the HTTP status code in Response.status. */
    readonly statusText: string;
    /** The `type` read-only property of the Response interface contains the type of the response. */
    readonly type: ResponseType;
    /** The `url` read-only property of the Response interface contains the URL of the response. */
    readonly url: string;
    /** The `clone()` method of the Response interface creates a clone of a response object, identical in every way, but stored in a different variable. */
    clone(): Response;
  }
  interface $ResponseInit {
    headers?: HeadersInit;
    status?: number;
    statusText?: string;
  }
  interface $RsaHashedImportParams extends Algorithm {
    hash: HashAlgorithmIdentifier;
  }
  interface $RsaHashedKeyGenParams extends RsaKeyGenParams {
    hash: HashAlgorithmIdentifier;
  }
  interface $RsaKeyGenParams extends Algorithm {
    modulusLength: number;
    publicExponent: BigInteger;
  }
  interface $RsaOaepParams extends Algorithm {
    label?: BufferSource;
  }
  interface $RsaOtherPrimesInfo {
    d?: string;
    r?: string;
    t?: string;
  }
  interface $RsaPssParams extends Algorithm {
    saltLength: number;
  }
  interface $StreamPipeOptions {
    preventAbort?: boolean;
    preventCancel?: boolean;
    /** Pipes this readable stream to a given writable stream destination. */
    preventClose?: boolean;
    signal?: AbortSignal;
  }
  interface $StructuredSerializeOptions {
    transfer?: Transferable[];
  }
  interface $SubtleCrypto {
    /** The `decrypt()` method of the SubtleCrypto interface decrypts some encrypted data. */
    decrypt(algorithm: AlgorithmIdentifier | RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
    /** The `deriveBits()` method of the SubtleCrypto interface can be used to derive an array of bits from a base key. */
    deriveBits(algorithm: AlgorithmIdentifier | EcdhKeyDeriveParams | HkdfParams | Pbkdf2Params, baseKey: CryptoKey, length?: number | null): Promise<ArrayBuffer>;
    /** The `deriveKey()` method of the SubtleCrypto interface can be used to derive a secret key from a master key. */
    deriveKey(algorithm: AlgorithmIdentifier | EcdhKeyDeriveParams | HkdfParams | Pbkdf2Params, baseKey: CryptoKey, derivedKeyType: AlgorithmIdentifier | AesDerivedKeyParams | HmacImportParams | HkdfParams | Pbkdf2Params, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
    /** The `digest()` method of the SubtleCrypto interface generates a digest of the given data, using the specified hash function. */
    digest(algorithm: AlgorithmIdentifier, data: BufferSource): Promise<ArrayBuffer>;
    /** The `encrypt()` method of the SubtleCrypto interface encrypts data. */
    encrypt(algorithm: AlgorithmIdentifier | RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
    /** The `exportKey()` method of the SubtleCrypto interface exports a key: that is, it takes as input a CryptoKey object and gives you the key in an external, portable format. */
    exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
    exportKey(format: Exclude<KeyFormat, "jwk">, key: CryptoKey): Promise<ArrayBuffer>;
    exportKey(format: KeyFormat, key: CryptoKey): Promise<ArrayBuffer | JsonWebKey>;
    /** The `generateKey()` method of the SubtleCrypto interface is used to generate a new key (for symmetric algorithms) or key pair (for public-key algorithms). */
    generateKey(algorithm: "Ed25519" | { name: "Ed25519" }, extractable: boolean, keyUsages: ReadonlyArray<"sign" | "verify">): Promise<CryptoKeyPair>;
    generateKey(algorithm: "X25519" | { name: "X25519" }, extractable: boolean, keyUsages: ReadonlyArray<"deriveBits" | "deriveKey">): Promise<CryptoKeyPair>;
    generateKey(algorithm: RsaHashedKeyGenParams | EcKeyGenParams, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKeyPair>;
    generateKey(algorithm: AesKeyGenParams | HmacKeyGenParams | Pbkdf2Params, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKey>;
    generateKey(algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKeyPair | CryptoKey>;
    /** The `importKey()` method of the SubtleCrypto interface imports a key: that is, it takes as input a key in an external, portable format and gives you a CryptoKey object that you can use in the Web Crypto API. */
    importKey(format: "jwk", keyData: JsonWebKey, algorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKey>;
    importKey(format: Exclude<KeyFormat, "jwk">, keyData: BufferSource, algorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
    /** The `sign()` method of the SubtleCrypto interface generates a digital signature. */
    sign(algorithm: AlgorithmIdentifier | RsaPssParams | EcdsaParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
    /** The `unwrapKey()` method of the SubtleCrypto interface "unwraps" a key. */
    unwrapKey(format: KeyFormat, wrappedKey: BufferSource, unwrappingKey: CryptoKey, unwrapAlgorithm: AlgorithmIdentifier | RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams, unwrappedKeyAlgorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: KeyUsage[]): Promise<CryptoKey>;
    /** The `verify()` method of the SubtleCrypto interface verifies a digital signature. */
    verify(algorithm: AlgorithmIdentifier | RsaPssParams | EcdsaParams, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
    /** The `wrapKey()` method of the SubtleCrypto interface "wraps" a key. */
    wrapKey(format: KeyFormat, key: CryptoKey, wrappingKey: CryptoKey, wrapAlgorithm: AlgorithmIdentifier | RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams): Promise<ArrayBuffer>;
    /** The `deriveKey()` method of the SubtleCrypto interface can be used to derive a secret key from a master key. */
    deriveKey(algorithm: AlgorithmIdentifier | EcdhKeyDeriveParams | HkdfParams | Pbkdf2Params, baseKey: CryptoKey, derivedKeyType: AlgorithmIdentifier | AesDerivedKeyParams | HmacImportParams | HkdfParams | Pbkdf2Params, extractable: boolean, keyUsages: Iterable<KeyUsage>): Promise<CryptoKey>;
    /** The `generateKey()` method of the SubtleCrypto interface is used to generate a new key (for symmetric algorithms) or key pair (for public-key algorithms). */
    generateKey(algorithm: "Ed25519" | { name: "Ed25519" }, extractable: boolean, keyUsages: ReadonlyArray<"sign" | "verify">): Promise<CryptoKeyPair>;
    generateKey(algorithm: "X25519" | { name: "X25519" }, extractable: boolean, keyUsages: ReadonlyArray<"deriveBits" | "deriveKey">): Promise<CryptoKeyPair>;
    generateKey(algorithm: RsaHashedKeyGenParams | EcKeyGenParams, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKeyPair>;
    generateKey(algorithm: AesKeyGenParams | HmacKeyGenParams | Pbkdf2Params, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKey>;
    generateKey(algorithm: AlgorithmIdentifier, extractable: boolean, keyUsages: Iterable<KeyUsage>): Promise<CryptoKeyPair | CryptoKey>;
    /** The `importKey()` method of the SubtleCrypto interface imports a key: that is, it takes as input a key in an external, portable format and gives you a CryptoKey object that you can use in the Web Crypto API. */
    importKey(format: "jwk", keyData: JsonWebKey, algorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: ReadonlyArray<KeyUsage>): Promise<CryptoKey>;
    importKey(format: Exclude<KeyFormat, "jwk">, keyData: BufferSource, algorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: Iterable<KeyUsage>): Promise<CryptoKey>;
    /** The `unwrapKey()` method of the SubtleCrypto interface "unwraps" a key. */
    unwrapKey(format: KeyFormat, wrappedKey: BufferSource, unwrappingKey: CryptoKey, unwrapAlgorithm: AlgorithmIdentifier | RsaOaepParams | AesCtrParams | AesCbcParams | AesGcmParams, unwrappedKeyAlgorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams | HmacImportParams | AesKeyAlgorithm, extractable: boolean, keyUsages: Iterable<KeyUsage>): Promise<CryptoKey>;
  }
  interface $TextDecodeOptions {
    stream?: boolean;
  }
  interface $TextDecoder extends TextDecoderCommon {
    /** The `TextDecoder.decode()` method returns a string containing text decoded from the buffer passed as a parameter. */
    decode(input?: AllowSharedBufferSource, options?: TextDecodeOptions): string;
  }
  interface $TextDecoderCommon {
    /** Returns encoding's name, lowercased. */
    readonly encoding: string;
    /** Returns true if error mode is "fatal", otherwise false. */
    readonly fatal: boolean;
    /** Returns the value of ignore BOM. */
    readonly ignoreBOM: boolean;
  }
  interface $TextDecoderOptions {
    fatal?: boolean;
    ignoreBOM?: boolean;
  }
  interface $TextDecoderStream extends GenericTransformStream, TextDecoderCommon {
    /** The `readable` read-only property of the TextDecoderStream interface returns a ReadableStream that emits decoded strings. */
    readonly readable: ReadableStream<string>;
    /** The `writable` read-only property of the TextDecoderStream interface returns a WritableStream that accepts binary data, in the form of ArrayBuffer, TypedArray, or DataView chunks (SharedArrayBuffer and its views are also allowed), to be decoded into strings. */
    readonly writable: WritableStream<BufferSource>;
  }
  interface $TextEncoder extends TextEncoderCommon {
    /** The `TextEncoder.encode()` method takes a string as input, and returns a Uint8Array containing the string encoded using UTF-8. */
    encode(input?: string): Uint8Array<ArrayBuffer>;
    /** The `TextEncoder.encodeInto()` method takes a string to encode and a destination Uint8Array to put resulting UTF-8 encoded text into, and returns an object indicating the progress of the encoding. */
    encodeInto(source: string, destination: Uint8Array<ArrayBufferLike>): TextEncoderEncodeIntoResult;
  }
  interface $TextEncoderCommon {
    /** Returns "utf-8". */
    readonly encoding: string;
  }
  interface $TextEncoderEncodeIntoResult {
    read: number;
    written: number;
  }
  interface $TextEncoderStream extends GenericTransformStream, TextEncoderCommon {
    /** The `readable` read-only property of the TextEncoderStream interface returns a ReadableStream that emits encoded binary data as Uint8Array chunks. */
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    /** The `writable` read-only property of the TextEncoderStream interface returns a WritableStream that accepts strings to be encoded into binary data. */
    readonly writable: WritableStream<string>;
  }
  interface $TransformStream<I = any, O = any> {
    /** The `readable` read-only property of the TransformStream interface returns the ReadableStream instance controlled by this TransformStream. */
    readonly readable: ReadableStream<O>;
    /** The `writable` read-only property of the TransformStream interface returns the WritableStream instance controlled by this TransformStream. */
    readonly writable: WritableStream<I>;
  }
  interface $TransformStreamDefaultController<O = any> {
    /** The `desiredSize` read-only property of the TransformStreamDefaultController interface returns the desired size to fill the queue of the associated ReadableStream. */
    readonly desiredSize: number | null;
    /** The `enqueue()` method of the TransformStreamDefaultController interface enqueues the given chunk in the readable side of the stream. */
    enqueue(chunk?: O): void;
    /** The `error()` method of the TransformStreamDefaultController interface errors both sides of the stream. */
    error(reason?: any): void;
    /** The `terminate()` method of the TransformStreamDefaultController interface closes the readable side and errors the writable side of the stream. */
    terminate(): void;
  }
  interface $Transformer<I = any, O = any> {
    flush?: TransformerFlushCallback<O>;
    readableType?: undefined;
    start?: TransformerStartCallback<O>;
    transform?: TransformerTransformCallback<I, O>;
    writableType?: undefined;
  }
  interface $TransformerFlushCallback<O> {
    (controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
  }
  interface $TransformerStartCallback<O> {
    (controller: TransformStreamDefaultController<O>): any;
  }
  interface $TransformerTransformCallback<I, O> {
    (chunk: I, controller: TransformStreamDefaultController<O>): void | PromiseLike<void>;
  }
  interface $URL {
    /** The `hash` property of the URL interface is a string containing a "#" followed by the fragment identifier of the URL. */
    hash: string;
    /** The `host` property of the URL interface is a string containing the host, which is the hostname, and then, if the port of the URL is nonempty, a ":", followed by the port of the URL. */
    host: string;
    /** The `hostname` property of the URL interface is a string containing either the domain name or IP address of the URL. */
    hostname: string;
    /** The `href` property of the URL interface is a string containing the whole URL. */
    href: string;
    toString(): string;
    /** The `origin` read-only property of the URL interface returns a string containing the Unicode serialization of the origin of the represented URL. */
    readonly origin: string;
    /** The `password` property of the URL interface is a string containing the password component of the URL. */
    password: string;
    /** The `pathname` property of the URL interface represents a location in a hierarchical structure. */
    pathname: string;
    /** The `port` property of the URL interface is a string containing the port number of the URL. */
    port: string;
    /** The `protocol` property of the URL interface is a string containing the protocol or scheme of the URL, including the final ":". */
    protocol: string;
    /** The `search` property of the URL interface is a search string, also called a query string, that is a string containing a "?" followed by the parameters of the URL. */
    search: string;
    /** The `searchParams` read-only property of the URL interface returns a URLSearchParams object allowing access to the GET decoded query arguments contained in the URL. */
    readonly searchParams: URLSearchParams;
    /** The `username` property of the URL interface is a string containing the username component of the URL. */
    username: string;
    /** The `toJSON()` method of the URL interface returns a string containing a serialized version of the URL, although in practice it seems to have the same effect as URL.toString(). */
    toJSON(): string;
  }
  interface $URLSearchParams {
    /** The `size` read-only property of the URLSearchParams interface indicates the total number of search parameter entries. */
    readonly size: number;
    /** The `append()` method of the URLSearchParams interface appends a specified key/value pair as a new search parameter. */
    append(name: string, value: string): void;
    /** The `delete()` method of the URLSearchParams interface deletes specified parameters and their associated value(s) from the list of all search parameters. */
    delete(name: string, value?: string): void;
    /** The `get()` method of the URLSearchParams interface returns the first value associated to the given search parameter. */
    get(name: string): string | null;
    /** The `getAll()` method of the URLSearchParams interface returns all the values associated with a given search parameter as an array. */
    getAll(name: string): string[];
    /** The `has()` method of the URLSearchParams interface returns a boolean value that indicates whether the specified parameter is in the search parameters. */
    has(name: string, value?: string): boolean;
    /** The `set()` method of the URLSearchParams interface sets the value associated with a given search parameter to the given value. */
    set(name: string, value: string): void;
    /** The `URLSearchParams.sort()` method sorts all key/value pairs contained in this object in place and returns undefined. */
    sort(): void;
    toString(): string;
    forEach(callbackfn: (value: string, key: string, parent: URLSearchParams) => void, thisArg?: any): void;
    [Symbol.iterator](): URLSearchParamsIterator<[string, string]>;
    /** Returns an array of key, value pairs for every entry in the search params. */
    entries(): URLSearchParamsIterator<[string, string]>;
    /** Returns a list of keys in the search params. */
    keys(): URLSearchParamsIterator<string>;
    /** Returns a list of values in the search params. */
    values(): URLSearchParamsIterator<string>;
  }
  interface $URLSearchParamsIterator<T> extends IteratorObject<T, BuiltinIteratorReturn, unknown> {
    [Symbol.iterator](): URLSearchParamsIterator<T>;
  }
  interface $UnderlyingByteSource {
    autoAllocateChunkSize?: number;
    cancel?: UnderlyingSourceCancelCallback;
    pull?: (controller: ReadableByteStreamController) => void | PromiseLike<void>;
    start?: (controller: ReadableByteStreamController) => any;
    type: "bytes";
  }
  interface $UnderlyingDefaultSource<R = any> {
    cancel?: UnderlyingSourceCancelCallback;
    pull?: (controller: ReadableStreamDefaultController<R>) => void | PromiseLike<void>;
    start?: (controller: ReadableStreamDefaultController<R>) => any;
    type?: undefined;
  }
  interface $UnderlyingSink<W = any> {
    abort?: UnderlyingSinkAbortCallback;
    close?: UnderlyingSinkCloseCallback;
    start?: UnderlyingSinkStartCallback;
    type?: undefined;
    write?: UnderlyingSinkWriteCallback<W>;
  }
  interface $UnderlyingSinkAbortCallback {
    (reason?: any): void | PromiseLike<void>;
  }
  interface $UnderlyingSinkCloseCallback {
    (): void | PromiseLike<void>;
  }
  interface $UnderlyingSinkStartCallback {
    (controller: WritableStreamDefaultController): any;
  }
  interface $UnderlyingSinkWriteCallback<W> {
    (chunk: W, controller: WritableStreamDefaultController): void | PromiseLike<void>;
  }
  interface $UnderlyingSource<R = any> {
    autoAllocateChunkSize?: number;
    cancel?: UnderlyingSourceCancelCallback;
    pull?: UnderlyingSourcePullCallback<R>;
    start?: UnderlyingSourceStartCallback<R>;
    type?: ReadableStreamType;
  }
  interface $UnderlyingSourceCancelCallback {
    (reason?: any): void | PromiseLike<void>;
  }
  interface $UnderlyingSourcePullCallback<R> {
    (controller: ReadableStreamController<R>): void | PromiseLike<void>;
  }
  interface $UnderlyingSourceStartCallback<R> {
    (controller: ReadableStreamController<R>): any;
  }
  interface $VoidFunction {
    (): void;
  }
  interface $WritableStream<W = any> {
    /** The `locked` read-only property of the WritableStream interface returns a boolean indicating whether the WritableStream is locked to a writer. */
    readonly locked: boolean;
    /** The `abort()` method of the WritableStream interface aborts the stream, signaling that the producer can no longer successfully write to the stream and it is to be immediately moved to an error state, with any queued writes discarded. */
    abort(reason?: any): Promise<void>;
    /** The `close()` method of the WritableStream interface closes the associated stream. */
    close(): Promise<void>;
    /** The `getWriter()` method of the WritableStream interface returns a new instance of WritableStreamDefaultWriter and locks the stream to that instance. */
    getWriter(): WritableStreamDefaultWriter<W>;
  }
  interface $WritableStreamDefaultController {
    /** The read-only `signal` property of the WritableStreamDefaultController interface returns the AbortSignal associated with the controller. */
    readonly signal: AbortSignal;
    /** The `error()` method of the WritableStreamDefaultController interface causes any future interactions with the associated stream to error. */
    error(e?: any): void;
  }
  interface $WritableStreamDefaultWriter<W = any> {
    /** The `closed` read-only property of the WritableStreamDefaultWriter interface returns a Promise that fulfills if the stream becomes closed, or rejects if the stream errors or the writer's lock is released. */
    readonly closed: Promise<void>;
    /** The `desiredSize` read-only property of the WritableStreamDefaultWriter interface returns the desired size required to fill the stream's internal queue. */
    readonly desiredSize: number | null;
    /** The `ready` read-only property of the WritableStreamDefaultWriter interface returns a Promise that resolves when the desired size of the stream's internal queue transitions from non-positive to positive, signaling that it is no longer applying backpressure. */
    readonly ready: Promise<void>;
    /** The `abort()` method of the WritableStreamDefaultWriter interface aborts the stream, signaling that the producer can no longer successfully write to the stream and it is to be immediately moved to an error state, with any queued writes discarded. */
    abort(reason?: any): Promise<void>;
    /** The `close()` method of the WritableStreamDefaultWriter interface closes the associated writable stream. */
    close(): Promise<void>;
    /** The `releaseLock()` method of the WritableStreamDefaultWriter interface releases the writer's lock on the corresponding stream. */
    releaseLock(): void;
    /** The `write()` method of the WritableStreamDefaultWriter interface writes a passed chunk of data to a WritableStream and its underlying sink, then returns a Promise that resolves to indicate the success or failure of the write operation. */
    write(chunk?: W): Promise<void>;
  }
  type AlgorithmIdentifier = Algorithm | string;
  type AllowSharedBufferSource = ArrayBufferLike | ArrayBufferView<ArrayBufferLike>;
  type BigInteger = Uint8Array<ArrayBuffer>;
  type BlobPart = BufferSource | Blob | string;
  type BodyInit = ReadableStream | XMLHttpRequestBodyInit;
  type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;
  type CompressionFormat = "deflate" | "deflate-raw" | "gzip";
  type DOMHighResTimeStamp = number;
  type EndingType = "native" | "transparent";
  type EventListenerOrEventListenerObject = EventListener | EventListenerObject;
  type FormDataEntryValue = File | string;
  type HashAlgorithmIdentifier = AlgorithmIdentifier;
  type HeadersInit = [string, string][] | Record<string, string> | Headers;
  type KeyFormat = "jwk" | "pkcs8" | "raw" | "spki";
  type KeyType = "private" | "public" | "secret";
  type KeyUsage = "decrypt" | "deriveBits" | "deriveKey" | "encrypt" | "sign" | "unwrapKey" | "verify" | "wrapKey";
  type MessageEventSource = MessagePort;
  type NamedCurve = string;
  type ReadableStreamController<T> = ReadableStreamDefaultController<T> | ReadableByteStreamController;
  type ReadableStreamReadResult<T> = ReadableStreamReadValueResult<T> | ReadableStreamReadDoneResult<T>;
  type ReadableStreamReader<T> = ReadableStreamDefaultReader<T> | ReadableStreamBYOBReader;
  type ReadableStreamReaderMode = "byob";
  type ReadableStreamType = "bytes";
  type ReferrerPolicy = "" | "no-referrer" | "no-referrer-when-downgrade" | "origin" | "origin-when-cross-origin" | "same-origin" | "strict-origin" | "strict-origin-when-cross-origin" | "unsafe-url";
  type RequestCache = "default" | "force-cache" | "no-cache" | "no-store" | "only-if-cached" | "reload";
  type RequestCredentials = "include" | "omit" | "same-origin";
  type RequestDestination = "" | "audio" | "audioworklet" | "document" | "embed" | "font" | "frame" | "iframe" | "image" | "manifest" | "object" | "paintworklet" | "report" | "script" | "sharedworker" | "style" | "track" | "video" | "worker" | "xslt";
  type RequestInfo = Request | string;
  type RequestMode = "cors" | "navigate" | "no-cors" | "same-origin";
  type RequestPriority = "auto" | "high" | "low";
  type RequestRedirect = "error" | "follow" | "manual";
  type ResponseType = "basic" | "cors" | "default" | "error" | "opaque" | "opaqueredirect";
  type TimerHandler = (...args: any[]) => void;
  type Transferable = MessagePort | ArrayBuffer;
  type XMLHttpRequestBodyInit = Blob | BufferSource | FormData | URLSearchParams | string;
}

// @ts-ignore
import AlgorithmIdentifier = JSRuntimeGlobals.AlgorithmIdentifier;
// @ts-ignore
import AllowSharedBufferSource = JSRuntimeGlobals.AllowSharedBufferSource;
// @ts-ignore
import BigInteger = JSRuntimeGlobals.BigInteger;
// @ts-ignore
import BlobPart = JSRuntimeGlobals.BlobPart;
// @ts-ignore
import BodyInit = JSRuntimeGlobals.BodyInit;
// @ts-ignore
import BufferSource = JSRuntimeGlobals.BufferSource;
// @ts-ignore
import CompressionFormat = JSRuntimeGlobals.CompressionFormat;
// @ts-ignore
import DOMHighResTimeStamp = JSRuntimeGlobals.DOMHighResTimeStamp;
// @ts-ignore
import EndingType = JSRuntimeGlobals.EndingType;
// @ts-ignore
import EventListenerOrEventListenerObject = JSRuntimeGlobals.EventListenerOrEventListenerObject;
// @ts-ignore
import FormDataEntryValue = JSRuntimeGlobals.FormDataEntryValue;
// @ts-ignore
import HashAlgorithmIdentifier = JSRuntimeGlobals.HashAlgorithmIdentifier;
// @ts-ignore
import HeadersInit = JSRuntimeGlobals.HeadersInit;
// @ts-ignore
import KeyFormat = JSRuntimeGlobals.KeyFormat;
// @ts-ignore
import KeyType = JSRuntimeGlobals.KeyType;
// @ts-ignore
import KeyUsage = JSRuntimeGlobals.KeyUsage;
// @ts-ignore
import MessageEventSource = JSRuntimeGlobals.MessageEventSource;
// @ts-ignore
import NamedCurve = JSRuntimeGlobals.NamedCurve;
// @ts-ignore
import ReadableStreamController = JSRuntimeGlobals.ReadableStreamController;
// @ts-ignore
import ReadableStreamReadResult = JSRuntimeGlobals.ReadableStreamReadResult;
// @ts-ignore
import ReadableStreamReader = JSRuntimeGlobals.ReadableStreamReader;
// @ts-ignore
import ReadableStreamReaderMode = JSRuntimeGlobals.ReadableStreamReaderMode;
// @ts-ignore
import ReadableStreamType = JSRuntimeGlobals.ReadableStreamType;
// @ts-ignore
import ReferrerPolicy = JSRuntimeGlobals.ReferrerPolicy;
// @ts-ignore
import RequestCache = JSRuntimeGlobals.RequestCache;
// @ts-ignore
import RequestCredentials = JSRuntimeGlobals.RequestCredentials;
// @ts-ignore
import RequestDestination = JSRuntimeGlobals.RequestDestination;
// @ts-ignore
import RequestInfo = JSRuntimeGlobals.RequestInfo;
// @ts-ignore
import RequestMode = JSRuntimeGlobals.RequestMode;
// @ts-ignore
import RequestPriority = JSRuntimeGlobals.RequestPriority;
// @ts-ignore
import RequestRedirect = JSRuntimeGlobals.RequestRedirect;
// @ts-ignore
import ResponseType = JSRuntimeGlobals.ResponseType;
// @ts-ignore
import TimerHandler = JSRuntimeGlobals.TimerHandler;
// @ts-ignore
import Transferable = JSRuntimeGlobals.Transferable;
// @ts-ignore
import XMLHttpRequestBodyInit = JSRuntimeGlobals.XMLHttpRequestBodyInit;
interface AbortController extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AbortController> {}
interface AbortSignal extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AbortSignal> {}
interface AbortSignalEventMap extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AbortSignalEventMap> {}
interface AddEventListenerOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AddEventListenerOptions> {}
interface AesCbcParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesCbcParams> {}
interface AesCtrParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesCtrParams> {}
interface AesDerivedKeyParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesDerivedKeyParams> {}
interface AesGcmParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesGcmParams> {}
interface AesKeyAlgorithm extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesKeyAlgorithm> {}
interface AesKeyGenParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$AesKeyGenParams> {}
interface Algorithm extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Algorithm> {}
interface Blob extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Blob> {}
interface BlobPropertyBag extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$BlobPropertyBag> {}
interface Body extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Body> {}
interface ByteLengthQueuingStrategy extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ByteLengthQueuingStrategy> {}
interface CompressionStream extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CompressionStream> {}
interface Console extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Console> {}
interface CountQueuingStrategy extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CountQueuingStrategy> {}
interface Crypto extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Crypto> {}
interface CryptoKey extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CryptoKey> {}
interface CryptoKeyPair extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CryptoKeyPair> {}
interface CustomEvent<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CustomEvent<T>> {}
interface CustomEventInit<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$CustomEventInit<T>> {}
interface DOMException extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$DOMException> {}
interface DecompressionStream extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$DecompressionStream> {}
interface EcKeyGenParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EcKeyGenParams> {}
interface EcKeyImportParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EcKeyImportParams> {}
interface EcdhKeyDeriveParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EcdhKeyDeriveParams> {}
interface EcdsaParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EcdsaParams> {}
interface ErrorEvent extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ErrorEvent> {}
interface ErrorEventInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ErrorEventInit> {}
interface Event extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Event> {}
interface EventInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EventInit> {}
interface EventListener extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EventListener> {}
interface EventListenerObject extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EventListenerObject> {}
interface EventListenerOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EventListenerOptions> {}
interface EventTarget extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$EventTarget> {}
interface File extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$File> {}
interface FilePropertyBag extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$FilePropertyBag> {}
interface FormData extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$FormData> {}
interface FormDataIterator<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$FormDataIterator<T>> {}
interface GenericTransformStream extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$GenericTransformStream> {}
interface Headers extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Headers> {}
interface HeadersIterator<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$HeadersIterator<T>> {}
interface HkdfParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$HkdfParams> {}
interface HmacImportParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$HmacImportParams> {}
interface HmacKeyGenParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$HmacKeyGenParams> {}
interface JsonWebKey extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$JsonWebKey> {}
interface KeyAlgorithm extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$KeyAlgorithm> {}
interface MessageChannel extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessageChannel> {}
interface MessageEvent<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessageEvent<T>> {}
interface MessageEventInit<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessageEventInit<T>> {}
interface MessageEventTarget<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessageEventTarget<T>> {}
interface MessageEventTargetEventMap extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessageEventTargetEventMap> {}
interface MessagePort extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessagePort> {}
interface MessagePortEventMap extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$MessagePortEventMap> {}
interface Pbkdf2Params extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Pbkdf2Params> {}
interface Performance extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Performance> {}
interface PerformanceEventMap extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$PerformanceEventMap> {}
interface PromiseRejectionEvent extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$PromiseRejectionEvent> {}
interface PromiseRejectionEventInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$PromiseRejectionEventInit> {}
interface QueuingStrategy<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$QueuingStrategy<T>> {}
interface QueuingStrategyInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$QueuingStrategyInit> {}
interface QueuingStrategySize<T = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$QueuingStrategySize<T>> {}
interface ReadableByteStreamController extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableByteStreamController> {}
interface ReadableStream<R = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStream<R>> {}
interface ReadableStreamAsyncIterator<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamAsyncIterator<T>> {}
interface ReadableStreamBYOBReader extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamBYOBReader> {}
interface ReadableStreamBYOBReaderReadOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamBYOBReaderReadOptions> {}
interface ReadableStreamBYOBRequest extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamBYOBRequest> {}
interface ReadableStreamDefaultController<R = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamDefaultController<R>> {}
interface ReadableStreamDefaultReader<R = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamDefaultReader<R>> {}
interface ReadableStreamGenericReader extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamGenericReader> {}
interface ReadableStreamGetReaderOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamGetReaderOptions> {}
interface ReadableStreamIteratorOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamIteratorOptions> {}
interface ReadableStreamReadDoneResult<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamReadDoneResult<T>> {}
interface ReadableStreamReadValueResult<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableStreamReadValueResult<T>> {}
interface ReadableWritablePair<R = any, W = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ReadableWritablePair<R, W>> {}
interface Request extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Request> {}
interface RequestInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RequestInit> {}
interface Response extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Response> {}
interface ResponseInit extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$ResponseInit> {}
interface RsaHashedImportParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaHashedImportParams> {}
interface RsaHashedKeyGenParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaHashedKeyGenParams> {}
interface RsaKeyGenParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaKeyGenParams> {}
interface RsaOaepParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaOaepParams> {}
interface RsaOtherPrimesInfo extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaOtherPrimesInfo> {}
interface RsaPssParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$RsaPssParams> {}
interface StreamPipeOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$StreamPipeOptions> {}
interface StructuredSerializeOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$StructuredSerializeOptions> {}
interface SubtleCrypto extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$SubtleCrypto> {}
interface TextDecodeOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextDecodeOptions> {}
interface TextDecoder extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextDecoder> {}
interface TextDecoderCommon extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextDecoderCommon> {}
interface TextDecoderOptions extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextDecoderOptions> {}
interface TextDecoderStream extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextDecoderStream> {}
interface TextEncoder extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextEncoder> {}
interface TextEncoderCommon extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextEncoderCommon> {}
interface TextEncoderEncodeIntoResult extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextEncoderEncodeIntoResult> {}
interface TextEncoderStream extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TextEncoderStream> {}
interface TransformStream<I = any, O = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TransformStream<I, O>> {}
interface TransformStreamDefaultController<O = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TransformStreamDefaultController<O>> {}
interface Transformer<I = any, O = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$Transformer<I, O>> {}
interface TransformerFlushCallback<O> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TransformerFlushCallback<O>> {}
interface TransformerStartCallback<O> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TransformerStartCallback<O>> {}
interface TransformerTransformCallback<I, O> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$TransformerTransformCallback<I, O>> {}
interface URL extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$URL> {}
interface URLSearchParams extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$URLSearchParams> {}
interface URLSearchParamsIterator<T> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$URLSearchParamsIterator<T>> {}
interface UnderlyingByteSource extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingByteSource> {}
interface UnderlyingDefaultSource<R = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingDefaultSource<R>> {}
interface UnderlyingSink<W = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSink<W>> {}
interface UnderlyingSinkAbortCallback extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSinkAbortCallback> {}
interface UnderlyingSinkCloseCallback extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSinkCloseCallback> {}
interface UnderlyingSinkStartCallback extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSinkStartCallback> {}
interface UnderlyingSinkWriteCallback<W> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSinkWriteCallback<W>> {}
interface UnderlyingSource<R = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSource<R>> {}
interface UnderlyingSourceCancelCallback extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSourceCancelCallback> {}
interface UnderlyingSourcePullCallback<R> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSourcePullCallback<R>> {}
interface UnderlyingSourceStartCallback<R> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$UnderlyingSourceStartCallback<R>> {}
interface VoidFunction extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$VoidFunction> {}
interface WritableStream<W = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$WritableStream<W>> {}
interface WritableStreamDefaultController extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$WritableStreamDefaultController> {}
interface WritableStreamDefaultWriter<W = any> extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$WritableStreamDefaultWriter<W>> {}

declare var AbortController: typeof globalThis extends { onmessage: any; AbortController: infer T } ? T : {
  prototype: AbortController;
  new(): AbortController;
};
declare var AbortSignal: typeof globalThis extends { onmessage: any; AbortSignal: infer T } ? T : {
  prototype: AbortSignal;
  new(): AbortSignal;
  /** The `AbortSignal.abort()` static method returns an AbortSignal that is already set as aborted (and which does not trigger an abort event). */
  abort(reason?: any): AbortSignal;
  /** The `AbortSignal.any()` static method takes an iterable of abort signals and returns an AbortSignal. */
  any(signals: AbortSignal[]): AbortSignal;
  /** The `AbortSignal.timeout()` static method returns an AbortSignal that will automatically abort after a specified time. */
  timeout(milliseconds: number): AbortSignal;
};
declare var Blob: typeof globalThis extends { onmessage: any; Blob: infer T } ? T : {
  prototype: Blob;
  new(blobParts?: BlobPart[], options?: BlobPropertyBag): Blob;
};
declare var ByteLengthQueuingStrategy: typeof globalThis extends { onmessage: any; ByteLengthQueuingStrategy: infer T } ? T : {
  prototype: ByteLengthQueuingStrategy;
  new(init: QueuingStrategyInit): ByteLengthQueuingStrategy;
};
declare var CompressionStream: typeof globalThis extends { onmessage: any; CompressionStream: infer T } ? T : {
  prototype: CompressionStream;
  new(format: CompressionFormat): CompressionStream;
};
declare var CountQueuingStrategy: typeof globalThis extends { onmessage: any; CountQueuingStrategy: infer T } ? T : {
  prototype: CountQueuingStrategy;
  new(init: QueuingStrategyInit): CountQueuingStrategy;
};
declare var Crypto: typeof globalThis extends { onmessage: any; Crypto: infer T } ? T : {
  prototype: Crypto;
  new(): Crypto;
};
declare var CryptoKey: typeof globalThis extends { onmessage: any; CryptoKey: infer T } ? T : {
  prototype: CryptoKey;
  new(): CryptoKey;
};
declare var CustomEvent: typeof globalThis extends { onmessage: any; CustomEvent: infer T } ? T : {
  prototype: CustomEvent;
  new<T>(type: string, eventInitDict?: CustomEventInit<T>): CustomEvent<T>;
};
declare var DOMException: typeof globalThis extends { onmessage: any; DOMException: infer T } ? T : {
  prototype: DOMException;
  new(message?: string, name?: string): DOMException;
  readonly INDEX_SIZE_ERR: 1;
  readonly DOMSTRING_SIZE_ERR: 2;
  readonly HIERARCHY_REQUEST_ERR: 3;
  readonly WRONG_DOCUMENT_ERR: 4;
  readonly INVALID_CHARACTER_ERR: 5;
  readonly NO_DATA_ALLOWED_ERR: 6;
  readonly NO_MODIFICATION_ALLOWED_ERR: 7;
  readonly NOT_FOUND_ERR: 8;
  readonly NOT_SUPPORTED_ERR: 9;
  readonly INUSE_ATTRIBUTE_ERR: 10;
  readonly INVALID_STATE_ERR: 11;
  readonly SYNTAX_ERR: 12;
  readonly INVALID_MODIFICATION_ERR: 13;
  readonly NAMESPACE_ERR: 14;
  readonly INVALID_ACCESS_ERR: 15;
  readonly VALIDATION_ERR: 16;
  readonly TYPE_MISMATCH_ERR: 17;
  readonly SECURITY_ERR: 18;
  readonly NETWORK_ERR: 19;
  readonly ABORT_ERR: 20;
  readonly URL_MISMATCH_ERR: 21;
  readonly QUOTA_EXCEEDED_ERR: 22;
  readonly TIMEOUT_ERR: 23;
  readonly INVALID_NODE_TYPE_ERR: 24;
  readonly DATA_CLONE_ERR: 25;
};
declare var DecompressionStream: typeof globalThis extends { onmessage: any; DecompressionStream: infer T } ? T : {
  prototype: DecompressionStream;
  new(format: CompressionFormat): DecompressionStream;
};
declare var ErrorEvent: typeof globalThis extends { onmessage: any; ErrorEvent: infer T } ? T : {
  prototype: ErrorEvent;
  new(type: string, eventInitDict?: ErrorEventInit): ErrorEvent;
};
declare var Event: typeof globalThis extends { onmessage: any; Event: infer T } ? T : {
  prototype: Event;
  new(type: string, eventInitDict?: EventInit): Event;
  readonly NONE: 0;
  readonly CAPTURING_PHASE: 1;
  readonly AT_TARGET: 2;
  readonly BUBBLING_PHASE: 3;
};
declare var EventTarget: typeof globalThis extends { onmessage: any; EventTarget: infer T } ? T : {
  prototype: EventTarget;
  new(): EventTarget;
};
declare var File: typeof globalThis extends { onmessage: any; File: infer T } ? T : {
  prototype: File;
  new(fileBits: BlobPart[], fileName: string, options?: FilePropertyBag): File;
};
declare var FormData: typeof globalThis extends { onmessage: any; FormData: infer T } ? T : {
  prototype: FormData;
  new(): FormData;
};
declare var Headers: typeof globalThis extends { onmessage: any; Headers: infer T } ? T : {
  prototype: Headers;
  new(init?: HeadersInit): Headers;
};
declare var MessageChannel: typeof globalThis extends { onmessage: any; MessageChannel: infer T } ? T : {
  prototype: MessageChannel;
  new(): MessageChannel;
};
declare var MessageEvent: typeof globalThis extends { onmessage: any; MessageEvent: infer T } ? T : {
  prototype: MessageEvent;
  new<T>(type: string, eventInitDict?: MessageEventInit<T>): MessageEvent<T>;
};
declare var MessagePort: typeof globalThis extends { onmessage: any; MessagePort: infer T } ? T : {
  prototype: MessagePort;
  new(): MessagePort;
};
declare var Performance: typeof globalThis extends { onmessage: any; Performance: infer T } ? T : {
  prototype: Performance;
  new(): Performance;
};
declare var PromiseRejectionEvent: typeof globalThis extends { onmessage: any; PromiseRejectionEvent: infer T } ? T : {
  prototype: PromiseRejectionEvent;
  new(type: string, eventInitDict: PromiseRejectionEventInit): PromiseRejectionEvent;
};
declare var ReadableByteStreamController: typeof globalThis extends { onmessage: any; ReadableByteStreamController: infer T } ? T : {
  prototype: ReadableByteStreamController;
  new(): ReadableByteStreamController;
};
declare var ReadableStream: typeof globalThis extends { onmessage: any; ReadableStream: infer T } ? T : {
  prototype: ReadableStream;
  new(underlyingSource: UnderlyingByteSource, strategy?: { highWaterMark?: number }): ReadableStream<Uint8Array<ArrayBuffer>>;
  new<R = any>(underlyingSource: UnderlyingDefaultSource<R>, strategy?: QueuingStrategy<R>): ReadableStream<R>;
  new<R = any>(underlyingSource?: UnderlyingSource<R>, strategy?: QueuingStrategy<R>): ReadableStream<R>;
  from<R>(iterable: Iterable<R> | AsyncIterable<R>): ReadableStream<R>;
};
declare var ReadableStreamBYOBReader: typeof globalThis extends { onmessage: any; ReadableStreamBYOBReader: infer T } ? T : {
  prototype: ReadableStreamBYOBReader;
  new(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader;
};
declare var ReadableStreamBYOBRequest: typeof globalThis extends { onmessage: any; ReadableStreamBYOBRequest: infer T } ? T : {
  prototype: ReadableStreamBYOBRequest;
  new(): ReadableStreamBYOBRequest;
};
declare var ReadableStreamDefaultController: typeof globalThis extends { onmessage: any; ReadableStreamDefaultController: infer T } ? T : {
  prototype: ReadableStreamDefaultController;
  new(): ReadableStreamDefaultController;
};
declare var ReadableStreamDefaultReader: typeof globalThis extends { onmessage: any; ReadableStreamDefaultReader: infer T } ? T : {
  prototype: ReadableStreamDefaultReader;
  new<R = any>(stream: ReadableStream<R>): ReadableStreamDefaultReader<R>;
};
declare var Request: typeof globalThis extends { onmessage: any; Request: infer T } ? T : {
  prototype: Request;
  new(input: RequestInfo | URL, init?: RequestInit): Request;
};
declare var Response: typeof globalThis extends { onmessage: any; Response: infer T } ? T : {
  prototype: Response;
  new(body?: BodyInit | null, init?: ResponseInit): Response;
  /** The `error()` static method of the Response interface returns a new Response object associated with a network error. */
  error(): Response;
  /** The `json()` static method of the Response interface returns a Response that contains the provided JSON data as body, and a Content-Type header which is set to application/json. */
  json(data: any, init?: ResponseInit): Response;
  /** The `redirect()` static method of the Response interface returns a Response resulting in a redirect to the specified URL. */
  redirect(url: string | URL, status?: number): Response;
};
declare var SubtleCrypto: typeof globalThis extends { onmessage: any; SubtleCrypto: infer T } ? T : {
  prototype: SubtleCrypto;
  new(): SubtleCrypto;
};
declare var TextDecoder: typeof globalThis extends { onmessage: any; TextDecoder: infer T } ? T : {
  prototype: TextDecoder;
  new(label?: string, options?: TextDecoderOptions): TextDecoder;
};
declare var TextDecoderStream: typeof globalThis extends { onmessage: any; TextDecoderStream: infer T } ? T : {
  prototype: TextDecoderStream;
  new(label?: string, options?: TextDecoderOptions): TextDecoderStream;
};
declare var TextEncoder: typeof globalThis extends { onmessage: any; TextEncoder: infer T } ? T : {
  prototype: TextEncoder;
  new(): TextEncoder;
};
declare var TextEncoderStream: typeof globalThis extends { onmessage: any; TextEncoderStream: infer T } ? T : {
  prototype: TextEncoderStream;
  new(): TextEncoderStream;
};
declare var TransformStream: typeof globalThis extends { onmessage: any; TransformStream: infer T } ? T : {
  prototype: TransformStream;
  new<I = any, O = any>(transformer?: Transformer<I, O>, writableStrategy?: QueuingStrategy<I>, readableStrategy?: QueuingStrategy<O>): TransformStream<I, O>;
};
declare var TransformStreamDefaultController: typeof globalThis extends { onmessage: any; TransformStreamDefaultController: infer T } ? T : {
  prototype: TransformStreamDefaultController;
  new(): TransformStreamDefaultController;
};
declare var URL: typeof globalThis extends { onmessage: any; URL: infer T } ? T : {
  prototype: URL;
  new(url: string | URL, base?: string | URL): URL;
  /** The `URL.canParse()` static method of the URL interface returns a boolean indicating whether or not an absolute URL, or a relative URL combined with a base URL, are parsable and valid. */
  canParse(url: string | URL, base?: string | URL): boolean;
  /** The `URL.parse()` static method of the URL interface returns a newly created URL object representing the URL defined by the parameters. */
  parse(url: string | URL, base?: string | URL): URL | null;
};
declare var URLSearchParams: typeof globalThis extends { onmessage: any; URLSearchParams: infer T } ? T : {
  prototype: URLSearchParams;
  new(init?: string[][] | Record<string, string> | string | URLSearchParams): URLSearchParams;
};
declare var WritableStream: typeof globalThis extends { onmessage: any; WritableStream: infer T } ? T : {
  prototype: WritableStream;
  new<W = any>(underlyingSink?: UnderlyingSink<W>, strategy?: QueuingStrategy<W>): WritableStream<W>;
};
declare var WritableStreamDefaultController: typeof globalThis extends { onmessage: any; WritableStreamDefaultController: infer T } ? T : {
  prototype: WritableStreamDefaultController;
  new(): WritableStreamDefaultController;
};
declare var WritableStreamDefaultWriter: typeof globalThis extends { onmessage: any; WritableStreamDefaultWriter: infer T } ? T : {
  prototype: WritableStreamDefaultWriter;
  new<W = any>(stream: WritableStream<W>): WritableStreamDefaultWriter<W>;
};
declare function atob(data: string): string;
declare function btoa(data: string): string;
declare function clearInterval(id: number | undefined): void;
declare function clearTimeout(id: number | undefined): void;
declare var console: typeof globalThis extends { onmessage: any; console: infer T } ? T : Console;
declare var crypto: typeof globalThis extends { onmessage: any; crypto: infer T } ? T : Crypto;
declare function dispatchEvent(event: Event): boolean;
declare function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
declare var performance: typeof globalThis extends { onmessage: any; performance: infer T } ? T : Performance;
declare function queueMicrotask(callback: VoidFunction): void;
declare function reportError(e: any): void;
declare function setInterval(handler: TimerHandler, timeout?: number, ...arguments: any[]): number;
declare function setTimeout(handler: TimerHandler, timeout?: number, ...arguments: any[]): number;
declare function structuredClone<T = any>(value: T, options?: StructuredSerializeOptions): T;
