import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * The HL7 instance validator for FHIR R4, offline. Each error and warning is one JSON object on standard output:
 * file, line, severity, id, location, message.
 *
 * <p>Usage: Validate [-p FOLDER]... [-u SYSTEM]... FILE...
 * FILE  one resource or Bundle (.json), or one resource per line (.ndjson)
 * -p    own StructureDefinitions, ValueSets and CodeSystems (.json)
 * -u    a code system that is not on disk: its codes are accepted, those of any other unknown system are errors
 *
 * <p>Exit code 0: everything was looked at, whatever was found; 2: there was nothing to look at.
 */
public class Validate {

  private final FhirValidator validator;
  private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private final int threads = Runtime.getRuntime().availableProcessors();
  private final ExecutorService pool = Executors.newFixedThreadPool(threads);
  private final Deque<Future<List<JsonObject>>> waiting = new ArrayDeque<>();
  private int resources = 0;

  Validate(FhirValidator validator) {
    this.validator = validator;
  }

  public static void main(String[] args) throws Exception {
    var profiles = new ArrayList<Path>();
    var accepted = new HashSet<String>();
    var files = new ArrayList<Path>();
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "-p" -> profiles.add(Path.of(args[++i]));
        case "-u" -> accepted.add(args[++i]);
        default -> files.add(Path.of(args[i]));
      }
    }
    var run = new Validate(validator(FhirContext.forR4(), profiles, accepted));
    for (Path file : files) run.read(file);
    while (!run.waiting.isEmpty()) run.printFirst();
    run.pool.shutdown();
    System.err.println(run.resources + " resources");
    System.exit(run.resources == 0 ? 2 : 0);
  }

  void read(Path file) throws Exception {
    if (!file.toString().endsWith(".ndjson")) {
      submit(Files.readString(file), file, 1);
      return;
    }
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      int number = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        number++;
        if (!line.isBlank()) submit(line, file, number);
      }
    }
  }

  void submit(String resource, Path file, int line) throws Exception {
    waiting.add(pool.submit(() -> check(resource, file, line)));
    resources++;
    if (resources == 1 || waiting.size() > 100 * threads) printFirst(); // the first one fills the caches alone
  }

  void printFirst() throws Exception {
    for (JsonObject problem : waiting.remove().get()) out.println(problem);
  }

  List<JsonObject> check(String resource, Path file, int line) {
    var problems = new ArrayList<JsonObject>();
    try {
      for (SingleValidationMessage m : validator.validateWithResult(resource).getMessages()) {
        if (m.getSeverity() == ResultSeverityEnum.INFORMATION) continue;
        problems.add(problem(file, line, m.getSeverity().getCode(), m.getMessageId(), m.getLocationString(), m.getMessage()));
      }
    } catch (Exception notJson) {
      problems.add(problem(file, line, "fatal", null, null, notJson.toString()));
    }
    return problems;
  }

  static JsonObject problem(Path file, int line, String severity, String id, String location, String message) {
    var o = new JsonObject();
    o.addProperty("file", file.toString());
    o.addProperty("line", line);
    o.addProperty("severity", severity);
    o.addProperty("id", id);
    o.addProperty("location", location);
    o.addProperty("message", message);
    return o;
  }

  static FhirValidator validator(FhirContext fhir, List<Path> profiles, Set<String> accepted) throws IOException {
    var own = new PrePopulatedValidationSupport(fhir);
    for (Path folder : profiles) {
      try (Stream<Path> all = Files.walk(folder)) {
        for (Path file : all.filter(x -> x.toString().endsWith(".json")).sorted().toList())
          own.addResource(fhir.newJsonParser().parseResource(Files.readString(file)));
      }
    }
    var chain = new ValidationSupportChain(
        own, new DefaultProfileValidationSupport(fhir), new CommonCodeSystemsTerminologyService(fhir),
        new Terminology.WithDisplays(fhir), new SnapshotGeneratingValidationSupport(fhir),
        new Terminology.Elsewhere(fhir, accepted));
    chain.setCodeableConceptValidationSuccessfulIfNotAllCodingsAreValid(false);
    var module = new FhirInstanceValidator(chain);
    module.setErrorForUnknownProfiles(true);
    module.setAssumeValidRestReferences(true); // a reference to Practitioner/1 is one to a Practitioner
    module.setAnyExtensionsAllowed(false);
    module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    return fhir.newValidator().registerValidatorModule(module);
  }
}
