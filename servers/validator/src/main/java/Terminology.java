import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.ConceptValidationOptions;
import ca.uhn.fhir.context.support.LookupCodeRequest;
import ca.uhn.fhir.context.support.ValidationSupportContext;
import java.util.Set;
import org.hl7.fhir.common.hapi.validation.support.BaseValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** What the validator knows of codes without a terminology server. */
final class Terminology {

  private Terminology() {}

  /** Code systems on disk, compared with their displays too. */
  static class WithDisplays extends InMemoryTerminologyServerValidationSupport {
    WithDisplays(FhirContext fhir) {
      super(fhir);
    }

    @Override
    public CodeValidationResult validateCode(ValidationSupportContext context, ConceptValidationOptions options,
        String system, String code, String display, String valueSet) {
      return super.validateCode(context, withDisplay(options), system, code, display, valueSet);
    }

    @Override
    public CodeValidationResult validateCodeInValueSet(ValidationSupportContext context,
        ConceptValidationOptions options, String system, String code, String display, IBaseResource valueSet) {
      return super.validateCodeInValueSet(context, withDisplay(options), system, code, display, valueSet);
    }

    static ConceptValidationOptions withDisplay(ConceptValidationOptions options) {
      return new ConceptValidationOptions().setInferSystem(options.isInferSystem()).setValidateDisplay(true);
    }
  }

  /**
   * Last in the chain: systems of which nothing but the name is known. HAPI's own stand-in passes every SNOMED CT
   * code in silence; here a system must be accepted by name, and check digits must be right.
   */
  static class Elsewhere extends BaseValidationSupport {
    private final Set<String> accepted;

    Elsewhere(FhirContext fhir, Set<String> accepted) {
      super(fhir);
      this.accepted = accepted;
    }

    @Override
    public boolean isCodeSystemSupported(ValidationSupportContext context, String system) {
      return system != null;
    }

    @Override
    public CodeValidationResult validateCode(ValidationSupportContext context, ConceptValidationOptions options,
        String system, String code, String display, String valueSet) {
      if (system == null || code == null) return null;
      String wrong = wrong(system, code);
      if (wrong == null) return new CodeValidationResult().setCode(code).setDisplay(display);
      return new CodeValidationResult().setSeverity(IssueSeverity.ERROR).setMessage(wrong).addIssue(
          new CodeValidationIssue(wrong, IssueSeverity.ERROR, CodeValidationIssueCode.CODE_INVALID,
              CodeValidationIssueCoding.INVALID_CODE));
    }

    @Override
    public LookupCodeResult lookupCode(ValidationSupportContext context, LookupCodeRequest request) {
      // asked for the codes that own ValueSets list
      if (wrong(request.getSystem(), request.getCode()) != null) return null;
      return new LookupCodeResult().setFound(true)
          .setSearchedForSystem(request.getSystem()).setSearchedForCode(request.getCode());
    }

    private String wrong(String system, String code) {
      if (!accepted.contains(system)) return "Unknown code system " + system;
      if (system.equals("http://loinc.org") && !isLoinc(code))
        return "Not a LOINC code (form or check digit): " + code;
      if (system.equals("http://snomed.info/sct") && !isSnomedConcept(code))
        return "Not a SNOMED CT concept id (form or check digit): " + code;
      return null;
    }
  }

  /** A number whose Luhn check digit is right, or a code of an answer, part, list or group (LA, LP, LL, LG). */
  static boolean isLoinc(String code) {
    if (code.matches("L[AGLP]\\d{1,7}-\\d")) return true;
    if (!code.matches("\\d{1,6}-\\d")) return false;
    String digits = code.replace("-", "");
    int sum = 0;
    for (int i = digits.length() - 1, k = 0; i >= 0; i--, k++) {
      int x = (digits.charAt(i) - '0') * (1 + k % 2);
      sum += x / 10 + x % 10;
    }
    return sum % 10 == 0;
  }

  /** Verhoeff's check digit; the two digits before it are 00 or 10 for a concept. */
  static boolean isSnomedConcept(String code) {
    if (!code.matches("[1-9]\\d{2,14}[01]0\\d")) return false;
    int check = 0;
    for (int i = code.length() - 1, k = 0; i >= 0; i--, k++) {
      int x = code.charAt(i) - '0';
      for (int j = 0; j < k % 8; j++) x = "1576283094".charAt(x) - '0';
      check = dihedral(check, x);
    }
    return check == 0;
  }

  /** The product of two elements of the dihedral group of order ten. */
  private static int dihedral(int a, int b) {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + (a + b - 5) % 5;
    return b < 5 ? 5 + (a - 5 - b + 5) % 5 : (a - b + 5) % 5;
  }
}
