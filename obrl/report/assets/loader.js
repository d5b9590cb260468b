// Unzip what the page holds, and run the script in it. The policy lets that script pass by its hash.
(async () => {
  try {
    const place = document.getElementById("zipped");
    const characters = atob(place.textContent);
    const zipped = new Uint8Array(characters.length);
    for (let k = 0; k < zipped.length; k++) zipped[k] = characters.charCodeAt(k);
    const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const scriptLength = Number(place.dataset.scriptLength);
    window.obrlReport = { bytes: bytes.subarray(scriptLength) };
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(bytes.subarray(0, scriptLength));
    document.body.append(script);
  } catch (error) {
    const problem = document.getElementById("problem");
    problem.hidden = false;
    problem.textContent = `This report cannot be shown: ${error.message}. It needs a browser of 2024 or later.`;
  }
})();
